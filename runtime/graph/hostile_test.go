package graph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/weft-run/weft/api/v1alpha1"
)

// flows is how many flows of each kind the tests make: 1,000, or what
// WEFT_FUZZ_N says.
func flows(t *testing.T) int {
	t.Helper()
	n := 1000
	if s := os.Getenv("WEFT_FUZZ_N"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("reading WEFT_FUZZ_N: %v", err)
		}
	}
	if testing.Short() {
		n = min(n, 200)
	}
	return n
}

// longest is how long one flow may keep a processor busy.
const longest = time.Second

func TestRandomFlows(t *testing.T) {
	t.Parallel()
	valid := 0
	for i := range flows(t) {
		g := newGenerator(uint64(i))
		spec := g.flow()
		if try(t, spec, "random", i) {
			valid++
		}
	}
	// A generator that makes only bad flows would prove little.
	if least := flows(t) / 4; valid < least {
		t.Errorf("only %d flows are valid; want at least %d", valid, least)
	}
}

func TestHostileFlows(t *testing.T) {
	t.Parallel()
	for i := range flows(t) {
		g := newGenerator(uint64(i) + 1<<32)
		spec := g.flow()
		for range 1 + g.IntN(3) {
			attacks[g.IntN(len(attacks))](g, spec)
		}
		try(t, spec, "hostile", i)
	}
	// Each attack alone, so that none hides behind another.
	for i, attack := range attacks {
		g := newGenerator(uint64(i) + 1<<33)
		spec := g.flow()
		attack(g, spec)
		try(t, spec, "attack", i)
	}
}

func TestHostileJSON(t *testing.T) {
	t.Parallel()
	for i := range flows(t) {
		g := newGenerator(uint64(i) + 1<<34)
		data, err := json.Marshal(g.flow())
		if err != nil {
			t.Fatalf("writing flow %d: %v", i, err)
		}
		for range 1 + g.IntN(4) {
			data = g.damage(data)
		}
		var spec *v1alpha1.FlowSpec
		var problems []Problem
		took := cpuTime(t, func() { spec, problems = Decode(data) })
		check(t, nil, problems, "json", i)
		if (spec == nil) != (len(problems) > 0) {
			t.Errorf("json %d: got a flow: %v, and %d problems", i, spec != nil, len(problems))
		}
		if took > longest {
			t.Errorf("json %d took %s", i, took)
		}
	}
}

// try compiles a flow and checks what comes of it. It returns whether the flow
// is valid.
func try(t *testing.T, spec *v1alpha1.FlowSpec, kind string, i int) bool {
	t.Helper()
	var plan *Plan
	var problems []Problem
	took := cpuTime(t, func() { plan, problems = Compile(spec, testCatalog(t)) })
	if took > longest/4 {
		t.Logf("%s %d took %s", kind, i, took)
	}
	if took > longest {
		t.Errorf("%s %d took %s", kind, i, took)
	}
	if (plan == nil) != (len(problems) > 0) {
		t.Errorf("%s %d: got a plan: %v, and %d problems", kind, i, plan != nil, len(problems))
	}
	check(t, spec, problems, kind, i)
	if i%8 == 0 && Hash(spec) == "" {
		t.Errorf("%s %d has no hash", kind, i)
	}
	return plan != nil
}

// flowFields are the fields that belong to no component.
var flowFields = []string{"title", "description", "components", "edges", "exposure", "runtime", "state", "revisionHistoryLimit", "flow"}

// check says that every problem names its component, its field and its reason,
// and does not echo more than a line.
func check(t *testing.T, spec *v1alpha1.FlowSpec, problems []Problem, kind string, i int) {
	t.Helper()
	codes := []string{CodeRequired, CodeUnknown, CodeInvalid, CodeDuplicate, CodeCycle, CodeTypeMismatch,
		CodeUnknownReference, CodeLaterReference, CodeExpression, CodeTooLarge, CodeOrphan, CodeCredential}
	if len(problems) > MaxProblems {
		t.Errorf("%s %d has %d problems", kind, i, len(problems))
	}
	for _, p := range problems {
		top := strings.FieldsFunc(p.Field, func(r rune) bool { return r == '.' || r == '[' })
		switch {
		case p.Field == "" || p.Message == "" || !slices.Contains(codes, p.Code):
			t.Errorf("%s %d: the problem is incomplete: %+v", kind, i, p)
		case len(p.Message) > 1000 || len(p.Field) > 400 || len(p.Component) > 200:
			t.Errorf("%s %d: the problem is too long: %.300s %.300s", kind, i, p.Field, p.Message)
		case !utf8.ValidString(p.Message) || !utf8.ValidString(p.Field) || !utf8.ValidString(p.Component):
			t.Errorf("%s %d: the problem is not UTF-8: %+q", kind, i, p)
		case spec != nil && p.Component == "" && !slices.Contains(flowFields, top[0]):
			t.Errorf("%s %d: the problem names no component: %+v", kind, i, p)
		}
	}
}

// generator makes flows out of a seed.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) *generator { return &generator{rand.New(rand.NewPCG(seed, 42))} }

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// flow makes a flow that the CRD accepts; most are valid.
func (g *generator) flow() *v1alpha1.FlowSpec {
	spec := &v1alpha1.FlowSpec{Title: g.words(), Description: g.words()}
	n := 1 + g.IntN(12)
	for i := range n {
		spec.Components = append(spec.Components, g.component(i))
	}
	for i := 1; i < n; i++ {
		for range 1 + g.IntN(2) {
			from := g.IntN(i)
			spec.Edges = append(spec.Edges, g.edge(len(spec.Edges), spec.Components[from].ID, spec.Components[i].ID))
		}
	}
	if g.IntN(3) == 0 {
		d := metav1.Duration{Duration: time.Duration(1+g.IntN(3600)) * time.Second}
		spec.Runtime.RunTimeout = &d
	}
	return spec
}

func (g *generator) edge(i int, from, to string) v1alpha1.Edge {
	return v1alpha1.Edge{ID: fmt.Sprintf("e%d", i), Origin: from, Target: to, OriginPort: pick(g, "", "", "main"), TargetPort: pick(g, "", "main")}
}

func (g *generator) component(i int) v1alpha1.Component {
	c := v1alpha1.Component{ID: fmt.Sprintf("c%d", i), Type: pick(g, "all", "all", "text", "picky"), Name: pick(g, "", "", g.words())}
	if i == 0 {
		c.Type = "input"
		return c
	}
	params := map[string]any{}
	if c.Type == "picky" {
		params["url"] = "https://example.org/{{ input }}"
	}
	if c.Type != "picky" && g.IntN(4) > 0 {
		params["text"] = g.template(i)
	}
	if c.Type == "all" {
		g.allParams(params, i)
	}
	c.Params = raw(params)
	if g.IntN(5) == 0 {
		c.OnError = &v1alpha1.OnError{Action: pick(g, v1alpha1.ErrorActionStop, v1alpha1.ErrorActionDefault, v1alpha1.ErrorActionRoute)}
	}
	return c
}

func (g *generator) allParams(params map[string]any, i int) {
	if g.IntN(3) == 0 {
		params["condition"] = pick(g, "input > 1", "true", `step["c0"] == null`, "size(string(input)) > 3 && now.getFullYear() > 2000")
	}
	if g.IntN(3) == 0 {
		params["number"] = 1 + g.IntN(10)
	}
	if g.IntN(3) == 0 {
		params["map"] = map[string]any{"a": g.template(i), "b c": g.words()}
	}
	if g.IntN(3) == 0 {
		params["list"] = []any{map[string]any{"name": g.words() + "x", "value": g.template(i)}}
	}
	if g.IntN(3) == 0 {
		params["json"] = map[string]any{"x": []any{1, nil, true, g.template(i)}}
	}
}

// template is a text with expressions that read earlier components.
func (g *generator) template(i int) string {
	before := fmt.Sprintf("c%d", g.IntN(i))
	return g.words() + pick(g, "", "{{ input }}", "{{ input.name + \"}}\" }}", `{{ step["`+before+`"] }}`, `{{ has(ports["`+before+`"].error) }}`,
		`{{ ["a", "b"].map(x, x.upperAscii()).join(",") }}`, `{{ {"a": {"b": 1}}.a.b }}`, "{{ flow.title }} at {{ now }}")
}

func (g *generator) words() string {
	return pick(g, "", "x", "Read the order", "naïve café", "日本語", "\u202eright to left", "a\u0301\u0301\u0301", "👩‍👩‍👧", "tab\tand\nline", "<script>", "}} {", "'\"\\")
}

func raw(value any) *runtime.RawExtension {
	data, err := json.Marshal(value)
	if err != nil {
		data = []byte("{")
	}
	return &runtime.RawExtension{Raw: data}
}

// text makes a component with one text param.
func (g *generator) text(spec *v1alpha1.FlowSpec, text string) {
	spec.Components = append(spec.Components, v1alpha1.Component{
		ID: fmt.Sprintf("t%d", len(spec.Components)), Type: "text", Params: raw(map[string]any{"text": text}),
	})
}

// attacks make a flow hostile.
var attacks = []func(g *generator, spec *v1alpha1.FlowSpec){
	func(g *generator, spec *v1alpha1.FlowSpec) { // one circle of everything
		for i := range spec.Components {
			spec.Edges = append(spec.Edges, g.edge(1000+i, spec.Components[i].ID, spec.Components[(i+1)%len(spec.Components)].ID))
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // 500 components in a chain that reads back and forth
		for i := len(spec.Components); i < MaxComponents; i++ {
			spec.Components = append(spec.Components, v1alpha1.Component{ID: fmt.Sprintf("c%d", i), Type: "text",
				Params: raw(map[string]any{"text": fmt.Sprintf("{{ step.c%d }}{{ step.c%d }}", (i+1)%MaxComponents, i-1)})})
		}
		for i := 1; i < MaxComponents; i++ {
			spec.Edges = append(spec.Edges, g.edge(3000+i, spec.Components[i-1].ID, spec.Components[i].ID))
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // as many edges as there may be, anywhere
		for i := len(spec.Edges); i < MaxEdges; i++ {
			a, b := pick(g, spec.Components...), pick(g, spec.Components...)
			spec.Edges = append(spec.Edges, g.edge(5000+i, a.ID, b.ID))
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // too many of everything
		spec.Components = append(spec.Components, make([]v1alpha1.Component, 600)...)
		spec.Edges = append(spec.Edges, make([]v1alpha1.Edge, 3000)...)
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // nothing has an id
		for i := range spec.Components {
			spec.Components[i].ID = pick(g, "", "c0", strings.Repeat("x", 64), "\x00", "\xff", "a/b", "ü")
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // a mebibyte
		s := strings.Repeat(pick(g, "x", "{{", "}}", "{{ a }}", "\"", "\\", "日", "\u0000", "{{ \"\\"), 1<<20/4)
		spec.Title, spec.Components[0].Name = s, s
		g.text(spec, s)
		g.text(spec, s[:60_000])
		spec.Edges = append(spec.Edges, v1alpha1.Edge{ID: s, Origin: s, Target: s, OriginPort: s, TargetPort: s})
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // deep expressions
		n := pick(g, 10, 100, 2000)
		g.text(spec, "{{ "+strings.Repeat(pick(g, "(", "[", "{\"a\":", "!", "-", "a(", "a.b(", "[1].map(x, ", "true ? ", "input["), n)+"1"+
			strings.Repeat(pick(g, ")", "]", "}", "", ": 1"), n)+" }}")
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // long expressions
		g.text(spec, "{{ 1"+strings.Repeat(pick(g, "+1", "?1:1", ".a", "[0]", "&&true", " in [1]", ".map(a,[a,a])", "==[1]", "||x"), pick(g, 100, 700, 3000))+" }}")
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // many expressions
		for range 12 {
			g.text(spec, strings.Repeat(pick(g, "{{1}}", "{{ a }}", "{{ input }}", "{{ step.c0 }}", "{{}}", "{{ foo(1) }}", "{{ \"a\" + 1 }}", "{{ [1].map(x, x) }}"), pick(g, 10, 900, 5000)))
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // braces that do not match
		g.text(spec, pick(g, "{{", "{{ {{ }}", "{{ \" }}", "{{ ''' }}", "{{ r\"\\\" }}", "{{ // }}", "{{ \"}}\" ", "}}}}{{{{", strings.Repeat("{{ '", 5000), strings.Repeat("{{ \"\\\"", 5000)))
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // references to what is not there
		g.text(spec, pick(g, `{{ step["`+strings.Repeat("x", 2000)+`"] }}`, "{{ step }}", "{{ ports.a }}", "{{ step[input] }}", "{{ item }}", "{{ index }}", "{{ .input }}", "{{ @values[0] }}",
			"{{ __x__ }}", "{{ google.protobuf.Timestamp{} }}", "{{ type(1) == int }}", "{{ input.`a b` }}", "{{ step.\u0430 }}", "{{ a\u200bb }}"))
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // expressions that never work, and ones that would take forever
		g.text(spec, pick(g, `{{ "a".matches("(((((a{1,1000}){1,1000}){1,1000}") }}`, `{{ int("x") }}`, `{{ 1 / 0 }}`, `{{ b"\xff" }}`, `{{ 99999999999999999999 }}`, `{{ 1e999 }}`,
			`{{ duration("x") }}`, `{{ timestamp("x") }}`, `{{ lists.range(1000000000) }}`, `{{ "x".format([1,2,3]) }}`, `{{ "\ud800" }}`, `{{ "%s%d%f".format([{}]) }}`))
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // params that are not params
		c := &spec.Components[len(spec.Components)-1]
		c.Params = &runtime.RawExtension{Raw: []byte(pick(g, "", "null", "[]", "1", "{", "{\"a\":", "{\"text\": \"\\ud800\"}", "\xff", "{\"a\":1}{}",
			strings.Repeat("[", 60_000), strings.Repeat("{\"a\":", 12_000), `{"number": 1e400}`, `{"list": [[[[]]]]}`, `{"text": {"a": {}}}`, `{"": 1, " ": 2, "\u0000": 3}`))}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // values of the wrong kind everywhere
		for i := range spec.Components {
			values := []any{nil, true, -1, 1.5, "", "x", []any{}, []any{nil}, map[string]any{}, map[string]any{"": nil}}
			params := map[string]any{}
			for _, name := range []string{"text", "word", "number", "yes", "choice", "condition", "map", "list", "words", "json", "onlyB", "url", strings.Repeat("k", 5000)} {
				params[name] = pick(g, values...)
			}
			spec.Components[i].Params = raw(params)
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // all names are the same, or odd
		name := pick(g, "x", "", "input", "if", "1", "_", "\u0301", "日本", "a b", strings.Repeat("n", 120), "in", "step")
		for i := range spec.Components {
			spec.Components[i].Name = name
		}
		g.text(spec, "{{ x }}{{ input }}{{ a_b }}{{ _1 }}{{ if_ }}")
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // keys, parents, errors and times that make no sense
		for i := range spec.Components {
			c := &spec.Components[i]
			c.Type = pick(g, c.Type, "keyed", "", "\x00", strings.Repeat("t", 3000))
			c.Parent = pick(g, "", c.ID, "nobody", strings.Repeat("p", 3000))
			c.Credential = pick(g, nil, &v1alpha1.Credential{}, &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "../../etc", Key: "\x00"}, VaultKeyRef: &v1alpha1.VaultKeyRef{Name: strings.Repeat("v", 3000)}})
			c.Timeout = pick(g, nil, &metav1.Duration{Duration: -1}, &metav1.Duration{Duration: 1 << 62})
			c.OnError = pick(g, nil, &v1alpha1.OnError{Action: "\xff", Value: &v1alpha1.Value{Raw: []byte("{{{")}, Retry: &v1alpha1.Retry{Times: -1, Backoff: &metav1.Duration{Duration: -5}}})
		}
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // everything around the graph
		n := int32(-1 << 31)
		spec.Exposure = v1alpha1.Exposure{Visibility: "\xff", Host: strings.Repeat("a.", 5000), Page: "x", MaxBodyBytes: -1, AllowedOrigins: []string{"", "\xff", strings.Repeat("o", 9000)}}
		spec.Runtime = v1alpha1.Runtime{Mode: "\x00", MaxConcurrentRuns: &n, Replicas: &v1alpha1.Replicas{Min: &n, Max: &n}, Egress: &v1alpha1.Egress{Allow: make([]string, 10_000)},
			RunTimeout: &metav1.Duration{Duration: -1}, IdleTimeout: &metav1.Duration{Duration: 1 << 62}}
		spec.State, spec.RevisionHistoryLimit = "?", &n
	},
	func(g *generator, spec *v1alpha1.FlowSpec) { // everything reads everything
		var b strings.Builder
		for i := range spec.Components {
			fmt.Fprintf(&b, "{{ step[%q] }}{{ ports[%q].error }}", spec.Components[i].ID, spec.Components[i].ID)
		}
		for i := range spec.Components {
			spec.Components[i].Type, spec.Components[i].Params = "text", raw(map[string]any{"text": b.String()})
		}
	},
}

// damage changes some bytes of JSON.
func (g *generator) damage(data []byte) []byte {
	if len(data) == 0 {
		return data
	}
	at := g.IntN(len(data))
	part := pick(g, `{`, `}`, `[`, `]`, `"`, `,`, `:`, `null`, `1e99`, "\xff", "\x00", `\u`, `{"a":{"a":`, `"id":"c0",`, `"title":"x",`, strings.Repeat("[", 70), strings.Repeat(`{"a":`, 70))
	switch g.IntN(3) {
	case 0:
		return slices.Insert(slices.Clone(data), at, []byte(part)...)
	case 1:
		return slices.Delete(slices.Clone(data), at, min(len(data), at+1+g.IntN(20)))
	}
	out := slices.Clone(data)
	copy(out[at:], part)
	return out
}
