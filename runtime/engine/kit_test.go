package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/graph"
)

// kit has the component types of the tests. What its hooks do is up to the
// test.
type kit struct {
	// call is what a component of type "hook" does, by its param "name".
	call map[string]func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error)
}

func text(name string) catalog.Field {
	return catalog.Field{Name: name, Label: name, Type: catalog.FieldText, Template: true}
}

func port(name string, t catalog.PortType) []catalog.Port {
	return []catalog.Port{{Name: name, Type: t}}
}

func (k *kit) catalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(k.components()...)
	if err != nil {
		t.Fatalf("making the catalogue: %v", err)
	}
	return c
}

func (k *kit) components() []*catalog.Component {
	return []*catalog.Component{
		{
			Spec: catalog.Spec{Type: "input", Trigger: true, Outputs: port("main", catalog.Any)},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(call.Run.Input), nil
			},
		},
		{
			Spec: catalog.Spec{Type: "form", Trigger: true, Outputs: port("values", catalog.Object)},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(map[string]any{"name": call.Run.Input}), nil
			},
		},
		{
			Spec: catalog.Spec{Type: "output", Terminal: true, Inputs: port("main", catalog.Any)},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(call.Inputs["main"]), nil
			},
		},
		{
			Spec: catalog.Spec{
				Type: "text", Inputs: port("main", catalog.Any), Outputs: port("text", catalog.Text),
				Fields: []catalog.Field{text("text")},
			},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(call.Params["text"]), nil
			},
		},
		{
			Spec: catalog.Spec{
				Type: "values", Inputs: port("main", catalog.Any), Outputs: port("main", catalog.Object),
				Fields: []catalog.Field{{Name: "fields", Type: catalog.FieldMap, Template: true}},
			},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(call.Params["fields"]), nil
			},
		},
		{
			Spec: catalog.Spec{
				Type: "if", Inputs: port("main", catalog.Any),
				Outputs: []catalog.Port{{Name: "true", Type: catalog.Any}, {Name: "false", Type: catalog.Any}},
				Fields:  []catalog.Field{{Name: "condition", Type: catalog.FieldCondition, Required: true}},
			},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				if call.Params["condition"] == true {
					return catalog.Outputs{"true": call.Inputs["main"]}, nil
				}
				return catalog.Outputs{"false": call.Inputs["main"]}, nil
			},
		},
		{
			Spec: catalog.Spec{
				Type: "hook", Inputs: port("main", catalog.Any), Outputs: port("main", catalog.Any),
				Fields:     []catalog.Field{{Name: "name", Type: catalog.FieldString, Required: true, Template: true}},
				Credential: &catalog.CredentialSpec{Provider: "test", Title: "test key"},
			},
			Run: func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
				hook, ok := k.call[call.Params["name"].(string)]
				if !ok {
					return nil, errors.New("there is no such hook")
				}
				return hook(ctx, call)
			},
		},
		{
			Spec: catalog.Spec{
				Type: "join", Inputs: []catalog.Port{{Name: "left", Type: catalog.Text}, {Name: "right", Type: catalog.List}},
				Outputs: port("main", catalog.Object),
			},
			Run: func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
				return catalog.Main(call.Inputs), nil
			},
		},
	}
}

// flow reads a flow of {"components": …, "edges": …}. Edges may be written as
// "a > b" or "a.port > b.port".
func flow(t testing.TB, source string, edges ...string) *v1alpha1.FlowSpec {
	t.Helper()
	spec, problems := graph.Decode([]byte(source))
	if len(problems) > 0 {
		t.Fatalf("reading the flow: %v", problems)
	}
	for i, e := range edges {
		var from, to string
		if _, err := fmt.Sscanf(e, "%s > %s", &from, &to); err != nil {
			t.Fatalf("reading the edge %q: %v", e, err)
		}
		edge := v1alpha1.Edge{ID: fmt.Sprintf("e%d", i)}
		edge.Origin, edge.OriginPort = end(from)
		edge.Target, edge.TargetPort = end(to)
		spec.Edges = append(spec.Edges, edge)
	}
	return spec
}

func end(s string) (id, port string) {
	for i := range len(s) {
		if s[i] == '.' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func compile(t testing.TB, k *kit, spec *v1alpha1.FlowSpec) *graph.Plan {
	t.Helper()
	plan, problems := graph.Compile(spec, k.catalog(t))
	if len(problems) > 0 {
		t.Fatalf("compiling the flow: %v", problems)
	}
	return plan
}

// record keeps the events of a run.
type record struct{ events []Event }

func (r *record) sink(e Event) { r.events = append(r.events, e) }

// statuses gives how each component ended.
func (r *record) statuses() map[string]Status {
	out := map[string]Status{}
	for _, e := range r.events {
		if e.Type == ComponentFinished {
			out[e.Component] = e.Status
		}
	}
	return out
}

func value(t testing.TB, source string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(source), &v); err != nil {
		t.Fatalf("reading the value %s: %v", source, err)
	}
	return v
}

// soon bounds what must not hang.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
