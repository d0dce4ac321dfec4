package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/graph"
)

// The model of a flow: what each step does, and what it depends on.
type model struct {
	steps []modelStep
	start int
}

type modelStep struct {
	kind   string // input, output, pass, split, fail
	action v1alpha1.ErrorAction
	// left says which way a split goes.
	left  bool
	in    []modelEdge
	reads []int
}

type modelEdge struct {
	from int
	port string
}

// drawModel draws a flow without circles.
func drawModel(t *rapid.T) *model {
	m := &model{}
	n := rapid.IntRange(1, 14).Draw(t, "steps")
	triggers := rapid.IntRange(0, min(2, n)).Draw(t, "triggers")
	for i := range n {
		s := modelStep{kind: rapid.SampledFrom([]string{"pass", "pass", "pass", "split", "fail", "output"}).Draw(t, "kind")}
		s.left = rapid.Bool().Draw(t, "left")
		if s.kind == "fail" {
			s.action = rapid.SampledFrom([]v1alpha1.ErrorAction{"Stop", "Default", "Default", "Route", "Route"}).Draw(t, "action")
		}
		if i < triggers {
			s.kind, s.action = "input", ""
		} else {
			m.connect(t, &s, i, triggers > 0)
		}
		m.steps = append(m.steps, s)
	}
	m.start = -1
	if triggers > 0 {
		m.start = rapid.IntRange(0, triggers-1).Draw(t, "start")
	}
	return m
}

// connect draws what a step depends on: steps before it that give something.
func (m *model) connect(t *rapid.T, s *modelStep, i int, must bool) {
	var givers []int
	for j := range i {
		if m.steps[j].kind != "output" {
			givers = append(givers, j)
		}
	}
	if len(givers) == 0 {
		return
	}
	least := 0
	if must {
		least = 1
	}
	for range rapid.IntRange(least, 3).Draw(t, "edges") {
		from := rapid.SampledFrom(givers).Draw(t, "from")
		port := "main"
		switch {
		case m.steps[from].kind == "split":
			port = rapid.SampledFrom([]string{"left", "right"}).Draw(t, "port")
		case m.steps[from].action == v1alpha1.ErrorActionRoute && rapid.Bool().Draw(t, "error"):
			port = "error"
		}
		s.in = append(s.in, modelEdge{from, port})
	}
	for range rapid.IntRange(0, 2).Draw(t, "reads") {
		s.reads = append(s.reads, rapid.SampledFrom(givers).Draw(t, "read"))
	}
	if must && rapid.IntRange(0, 3).Draw(t, "only reads") == 0 {
		s.in, s.reads = nil, append(s.reads, rapid.SampledFrom(givers).Draw(t, "only"))
	}
}

// flow writes the model as a flow.
func (m *model) flow(t testing.TB) *v1alpha1.FlowSpec {
	var components, edges []string
	for i, s := range m.steps {
		var reads strings.Builder
		for _, r := range s.reads {
			fmt.Fprintf(&reads, `{{ ports[\"s%d\"].%s }}`, r, m.mainOf(r))
		}
		onError := ""
		if s.kind == "fail" {
			onError = fmt.Sprintf(`, "onError": {"action": %q}`, s.action)
			if s.action == v1alpha1.ErrorActionDefault {
				onError = `, "onError": {"action": "Default", "value": "instead"}`
			}
		}
		params := fmt.Sprintf(`{"reads": "%s", "left": %v}`, reads.String(), s.left)
		if s.kind == "input" {
			params = "{}"
		}
		components = append(components, fmt.Sprintf(`{"id": "s%d", "type": %q, "params": %s%s}`, i, s.kind, params, onError))
		for _, e := range s.in {
			edges = append(edges, fmt.Sprintf("s%d.%s > s%d", e.from, e.port, i))
		}
	}
	return flow(t, `{"components": [`+strings.Join(components, ",")+`]}`, edges...)
}

func (m *model) mainOf(i int) string {
	if m.steps[i].kind == "split" {
		return "left"
	}
	return "main"
}

// catalog has the component types of the model. Each gives a text that
// says who it is and what came in.
func (m *model) catalog() []*catalog.Component {
	in := port("main", catalog.Any)
	fields := []catalog.Field{text("reads"), {Name: "left", Type: catalog.FieldBoolean}}
	run := func(f func(call *catalog.Call) (catalog.Outputs, error)) func(context.Context, *catalog.Call) (catalog.Outputs, error) {
		return func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) { return f(call) }
	}
	told := func(call *catalog.Call) any { return tell(call.Inputs["main"], call.Params["reads"]) }
	return []*catalog.Component{
		{Spec: catalog.Spec{Type: "input", Trigger: true, Outputs: in}, Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(call.Run.Input), nil
		}},
		{Spec: catalog.Spec{Type: "output", Terminal: true, Inputs: in, Fields: fields}, Run: run(func(call *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(told(call)), nil
		})},
		{Spec: catalog.Spec{Type: "pass", Inputs: in, Outputs: in, Fields: fields}, Run: run(func(call *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(told(call)), nil
		})},
		{Spec: catalog.Spec{Type: "fail", Inputs: in, Outputs: in, Fields: fields}, Run: run(func(*catalog.Call) (catalog.Outputs, error) {
			return nil, &catalog.Error{Code: v1alpha1.ErrorUpstream, Message: "down"}
		})},
		{Spec: catalog.Spec{Type: "split", Inputs: in, Outputs: []catalog.Port{{Name: "left", Type: catalog.Any}, {Name: "right", Type: catalog.Any}}, Fields: fields}, Run: run(func(call *catalog.Call) (catalog.Outputs, error) {
			if call.Params["left"] == true {
				return catalog.Outputs{"left": told(call)}, nil
			}
			return catalog.Outputs{"right": told(call)}, nil
		})},
	}
}

func tell(in, reads any) any {
	s := fmt.Sprintf("(%v|%v)", in, reads)
	return s[:min(len(s), 300)]
}

// reference executes the model step by step, by the rules as they are written.
// It returns the status of each step, what each gave, and whether a failure
// stopped the run.
func (m *model) reference(input any) (map[string]Status, []map[string]any, bool) {
	statuses := map[string]Status{}
	outputs := make([]map[string]any, len(m.steps))
	for i, s := range m.steps {
		id := fmt.Sprintf("s%d", i)
		if !m.runs(i, outputs) {
			statuses[id] = Skipped
			continue
		}
		statuses[id] = Succeeded
		out := map[string]any{}
		told := tell(m.incoming(i, outputs), m.read(i, outputs))
		switch {
		case s.kind == "input":
			out["main"] = input
		case s.kind == "split" && s.left:
			out["left"] = told
		case s.kind == "split":
			out["right"] = told
		case s.kind == "fail":
			statuses[id] = Failed
			switch s.action {
			case v1alpha1.ErrorActionDefault:
				out["main"] = "instead"
			case v1alpha1.ErrorActionRoute:
				out["error"] = map[string]any{"code": "Upstream", "message": "down", "component": id}
			default:
				return statuses, outputs, true
			}
		default:
			out["main"] = told
		}
		outputs[i] = out
	}
	return statuses, outputs, false
}

func (m *model) runs(i int, outputs []map[string]any) bool {
	s := m.steps[i]
	if s.kind == "input" {
		return i == m.start
	}
	if len(s.in) > 0 {
		return slices.ContainsFunc(s.in, func(e modelEdge) bool { _, ok := outputs[e.from][e.port]; return ok })
	}
	if len(s.reads) > 0 {
		return slices.ContainsFunc(s.reads, func(r int) bool { _, ok := outputs[r][m.mainOf(r)]; return ok })
	}
	return true
}

func (m *model) incoming(i int, outputs []map[string]any) any {
	var value any
	for _, e := range m.steps[i].in {
		if v, ok := outputs[e.from][e.port]; ok {
			value = v
		}
	}
	return value
}

func (m *model) read(i int, outputs []map[string]any) any {
	var b strings.Builder
	for _, r := range m.steps[i].reads {
		if v, ok := outputs[r][m.mainOf(r)]; ok {
			fmt.Fprint(&b, v)
		}
	}
	return b.String()
}

// result is the value of the outputs, by the rule.
func (m *model) result(outputs []map[string]any) any {
	values, n := map[string]any{}, 0
	var last any
	for i, s := range m.steps {
		if s.kind != "output" {
			continue
		}
		n++
		if v, ok := outputs[i]["main"]; ok {
			values[fmt.Sprintf("s%d", i)], last = v, v
		}
	}
	switch n {
	case 0:
		return nil
	case 1:
		return last
	}
	return values
}

// TestReference says that the engine does what the rules say: the same result,
// the same steps skipped, each step executed at most once, whatever runs at the
// same time.
func TestReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := drawModel(rt)
		cat, err := catalog.New(m.catalog()...)
		if err != nil {
			rt.Fatalf("making the catalogue: %v", err)
		}
		spec := m.flow(t)
		plan, problems := graph.Compile(spec, cat)
		if len(problems) > 0 {
			if slices.ContainsFunc(problems, func(p graph.Problem) bool { return p.Code == graph.CodeOrphan }) {
				return // not every drawn step follows from a trigger
			}
			rt.Fatalf("compiling %v: %v", spec, problems)
		}
		opts := Options{Limits: Limits{Parallel: rapid.IntRange(1, 4).Draw(rt, "parallel")}}
		if m.start >= 0 {
			opts.Start = fmt.Sprintf("s%d", m.start)
		}
		var rec record
		result := New(plan, opts).Run(soon(t), "input", rec.sink)
		checkEvents(t, rec.events)
		want, outputs, stopped := m.reference("input")
		if stopped != (result.Status == Failed) {
			rt.Fatalf("the run ended %s %v, stopped by the rules: %v", result.Status, result.Errors, stopped)
		}
		got := rec.statuses()
		started := 0
		for _, e := range rec.events {
			if e.Type == ComponentStarted {
				started++
			}
		}
		if ran := len(got) - countOf(got, Skipped); ran != started {
			rt.Errorf("%d steps ran, but there were %d starts", ran, started)
		}
		if stopped {
			// What else ran beside the failure depends on time; but nothing may
			// have run that the rules skip.
			for id, status := range got {
				if status != Canceled && want[id] != "" && want[id] != status {
					rt.Errorf("%s ended %s, by the rules %s", id, status, want[id])
				}
			}
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("statuses: -rules, +engine:\n%s", diff)
		}
		if diff := cmp.Diff(m.result(outputs), result.Value); diff != "" {
			rt.Errorf("result: -rules, +engine:\n%s", diff)
		}
	})
}

func countOf(statuses map[string]Status, status Status) int {
	n := 0
	for _, s := range statuses {
		if s == status {
			n++
		}
	}
	return n
}
