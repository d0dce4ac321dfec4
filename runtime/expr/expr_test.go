package expr

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testScope has a step of each kind that names can meet.
func testScope() *Scope {
	return NewScope([]Step{
		{ID: "a", Name: "Read order", Ports: []string{"main", "tokens"}},
		{ID: "b-1", Name: "if", Ports: []string{"true", "false"}},
		{ID: "c", Name: "Same", Ports: []string{"main"}},
		{ID: "d", Name: "same", Ports: []string{"main"}},
		{ID: "e", Name: "Same", Ports: []string{"main"}},
		{ID: "f", Name: "Añadir fila", Ports: []string{"main"}},
		{ID: "g", Name: "End"},
		{ID: "skipped", Name: "skipped", Ports: []string{"main"}},
		{ID: "h", Name: "math", Ports: []string{"main"}},
	})
}

// testVars has values by "id" or "id:port".
type testVars struct {
	input  any
	values map[[2]any]any
}

func (v *testVars) Input() any { return v.input }
func (v *testVars) Value(step int, port string) (any, bool) {
	value, ok := v.values[[2]any{step, port}]
	return value, ok
}
func (v *testVars) Now() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC) }
func (v *testVars) Flow() map[string]any {
	return map[string]any{"title": "My flow", "name": "my-flow", "workspace": "ann"}
}

func theVars() *testVars {
	return &testVars{
		input: map[string]any{
			"name": "Ann", "age": 30.0, "tags": []any{"x", "y"}, "none": nil,
			"items": []any{map[string]any{"price": 2.5, "n": 2.0}, map[string]any{"price": 1.0, "n": 3.0}},
		},
		values: map[[2]any]any{
			{0, "main"}:   map[string]any{"id": 7.0, "text": "hello {{ input }}"},
			{0, "tokens"}: 12.0,
			{1, "true"}:   "yes",
			{5, "main"}:   "row",
			{8, "main"}:   4.0,
		},
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		source string
		want   any
	}{
		"Input":           {"The input is in scope.", `input.name`, "Ann"},
		"ByName":          {"A step is read by its name as identifier.", `Read_order.id`, 7.0},
		"ByID":            {"A step is read by its id.", `step["a"].text`, "hello {{ input }}"},
		"ByField":         {"An id that is an identifier may follow a dot.", `step.a.id`, 7.0},
		"Accents":         {"Accents are dropped.", `Anadir_fila`, "row"},
		"Reserved":        {"A reserved word gets an underscore.", `if_`, "yes"},
		"Port":            {"Other outputs are read through ports.", `ports["a"].tokens`, 12.0},
		"PortCame":        {"has tells whether an output came.", `has(ports["a"].tokens) && has(step.a)`, true},
		"PortNotCame":     {"An output that did not come is null.", `ports["b-1"]["false"]`, nil},
		"NotCame":         {"has of an output that did not come is false.", `has(step.skipped)`, false},
		"Skipped":         {"A skipped step is null.", `skipped`, nil},
		"Mixed":           {"Doubles and ints mix.", `input.age * 2 + 1`, 61.0},
		"MixedLeft":       {"Ints and doubles mix.", `1 + input.age`, 31.0},
		"MixedStatic":     {"Mixing works where types are known.", `1 + 1.5`, 2.5},
		"MixedDeep":       {"A mixed result mixes again.", `input.age * 2 / 4.0`, 15.0},
		"Modulo":          {"Numbers of JSON have remainders.", `input.age % 7`, 2.0},
		"Compare":         {"Numbers compare across types.", `input.age >= 30 && size(input.tags) < 2.5`, true},
		"Equal":           {"Numbers are equal across types.", `input.age == 30`, true},
		"Integer":         {"Ints become numbers.", `size(input.tags)`, 2.0},
		"Math":            {"A step named like a namespace does not hide its functions.", `math.greatest(1, 2)`, 2.0},
		"MathName":        {"And the functions do not hide the step.", `math + 1`, 5.0},
		"Filter":          {"Macros bind their variable.", `input.items.filter(i, i.price > 2).map(i, i.price * i.n)`, []any{5.0}},
		"Shadow":          {"A macro's variable hides a step.", `input.tags.map(Read_order, Read_order)`, []any{"x", "y"}},
		"ShadowStep":      {"A macro's variable hides step.", `[{"a": 1}].map(step, step.a)`, []any{1.0}},
		"Strings":         {"The functions of texts are there.", `input.name.upperAscii() + "!"`, "ANN!"},
		"Join":            {"Lists of texts join.", `input.tags.join(", ")`, "x, y"},
		"Sort":            {"Lists sort.", `input.items.sortBy(i, i.price)[0].n`, 3.0},
		"Object":          {"Objects are made.", `{"a": {"b": input.age}}`, map[string]any{"a": map[string]any{"b": 30.0}}},
		"Base64":          {"Bytes are base64.", `base64.encode(b"hi")`, "aGk="},
		"Encode":          {"A value becomes JSON.", `json.encode({"b": [1, 1.5], "a": "<"})`, `{"a":"<","b":[1,1.5]}`},
		"Parse":           {"JSON becomes a value.", `json.parse("{\"a\": [1]}").a[0] + 1`, 2.0},
		"Now":             {"A time is RFC 3339.", `now`, "2026-05-04T03:02:01Z"},
		"NowField":        {"A time has parts.", `now.getFullYear()`, 2026.0},
		"Duration":        {"A duration is in seconds.", `duration("90s")`, "90s"},
		"Flow":            {"The flow is in scope.", `flow.title + flow.workspace`, "My flowann"},
		"Has":             {"has tells whether a field is there.", `has(input.name) && !has(input.nope)`, true},
		"Ternary":         {"Conditions choose.", `input.age > 18 ? "adult" : "child"`, "adult"},
		"Data":            {"What a value holds is not evaluated.", `step["a"].text + ""`, "hello {{ input }}"},
		"WholeObject":     {"An object comes through as it is.", `input.items[0]`, map[string]any{"price": 2.5, "n": 2.0}},
		"Space":           {"White space around does not matter.", "\n  input.name\t", "Ann"},
		"NullEquals":      {"null can be compared.", `input.none == null`, true},
		"Unicode":         {"Texts may hold any letters.", `"naïve 日本" + input.name`, "naïve 日本Ann"},
		"SumByExpression": {"Numbers of a list add up.", `math.greatest(input.items.map(i, i.price))`, 2.5},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, errs := testScope().Compile(tc.source)
			if len(errs) > 0 {
				t.Fatalf("%s: Compile(%s): %v", tc.reason, tc.source, errs)
			}
			got, err := e.Value(context.Background(), theVars())
			if err != nil {
				t.Fatalf("%s: Value(%s): %v", tc.reason, tc.source, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: %s: -want, +got:\n%s", tc.reason, tc.source, diff)
			}
		})
	}
}
