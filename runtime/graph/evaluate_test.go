package graph

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

// inputOnly are the values of a run of which only the input is there.
type inputOnly struct{ input any }

func (v inputOnly) Input() any                    { return v.input }
func (v inputOnly) Value(int, string) (any, bool) { return nil, false }
func (v inputOnly) Now() time.Time                { return time.Time{} }
func (v inputOnly) Flow() map[string]any          { return nil }

func TestEvaluate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		params    string
		input     any
		want      catalog.Params
		err       string
		templated map[string]bool
	}{
		"Defaults": {"Defaults are filled in.", `{}`, nil, catalog.Params{"choice": "a"}, "", nil},
		"Static": {"Params without expressions are as they are.", `{"text": "x", "number": 3, "yes": true, "words": ["a"], "map": {"a": "b"}, "json": {"a": [1, null]}, "condition": true, "list": [{"name": "n"}]}`, nil,
			catalog.Params{"choice": "a", "text": "x", "number": 3.0, "yes": true, "words": []any{"a"}, "map": map[string]any{"a": "b"}, "json": map[string]any{"a": []any{1.0, nil}}, "condition": true, "list": []any{map[string]any{"name": "n"}}}, "", nil},
		"Text":       {"A text is text, whatever the expression gives.", `{"text": "{{ input }}", "word": "{{ 5 }}", "words": ["{{ input.a }}", "b"]}`, map[string]any{"a": 1.0}, catalog.Params{"choice": "a", "text": `{"a":1}`, "word": "5", "words": []any{"1", "b"}}, "", map[string]bool{"text": true, "word": true, "words": true}},
		"Kept":       {"Maps and JSON keep the type of a lone expression.", `{"map": {"a": "{{ input }}", "b": "x{{ input }}"}, "json": [{"k": "{{ input }}"}, 1]}`, 2.0, catalog.Params{"choice": "a", "map": map[string]any{"a": 2.0, "b": "x2"}, "json": []any{map[string]any{"k": 2.0}, 1.0}}, "", map[string]bool{"map": true, "json": true}},
		"List":       {"Items of lists have expressions.", `{"list": [{"name": "n", "value": "{{ input }}"}]}`, 2.0, catalog.Params{"choice": "a", "list": []any{map[string]any{"name": "n", "value": "2"}}}, "", map[string]bool{"list": true}},
		"Number":     {"A number may be an expression.", `{"number": "{{ input * 2 }}"}`, 2.0, catalog.Params{"choice": "a", "number": 4.0}, "", map[string]bool{"number": true}},
		"NumberText": {"Or a text that is a number.", `{"number": "{{ input }}"}`, " 7 ", catalog.Params{"choice": "a", "number": 7.0}, "", map[string]bool{"number": true}},
		"NumberHigh": {"It keeps within its bounds.", `{"number": "{{ input }}"}`, 11.0, nil, "params.number: line 1, column 1: this must be at most 10", nil},
		"NumberNot":  {"It is a number.", `{"number": "{{ input }}"}`, "x", nil, "params.number: line 1, column 1: the expression must give a number", nil},
		"Condition":  {"A condition is true or false.", `{"condition": "input > 1"}`, 2.0, catalog.Params{"choice": "a", "condition": true}, "", nil},
		"NoBool":     {"And nothing else.", `{"condition": "input"}`, 2.0, nil, "params.condition: line 1, column 1: the condition must be true or false, but it is a number", nil},
		"Failure":    {"A failure names its param.", `{"list": [{"name": "n", "value": "{{ input.x }}"}]}`, 2.0, nil, `params.list[0].value: line 1, column 9: there is no field "x"`, nil},
		"Long":       {"A text does not become longer than it may.", `{"text": "a{{ input }}"}`, strings.Repeat("x", 1000), nil, "params.text: line 1, column 1: the text becomes longer than 1000 bytes", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, problems := Compile(decode(t, one(`, "params": `+tc.params)), testCatalog(t))
			if len(problems) > 0 {
				t.Fatalf("%s: %v", tc.reason, problems)
			}
			step := plan.Steps[0]
			got, err := step.Params.Evaluate(context.Background(), inputOnly{tc.input}, 1000)
			if (err != nil) != (tc.err != "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Fatalf("%s: got error %v, want %q", tc.reason, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); err == nil && diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.templated, step.Templated); err == nil && diff != "" {
				t.Errorf("%s: templated: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestUnevaluated says that a component's own validation sees texts as the flow
// has them.
func TestUnevaluated(t *testing.T) {
	t.Parallel()
	plan, problems := Compile(decode(t, one(`, "params": {"text": "a{{ input }}", "condition": "input == 1", "map": {"k": "{{ 1 }}", "l": "x"}, "list": [{"name": "n", "value": "{{ 2 }}"}]}`)), testCatalog(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := catalog.Params{
		"choice": "a", "text": "a{{ input }}", "condition": "input == 1", "map": map[string]any{"k": "{{ 1 }}", "l": "x"},
		"list": []any{map[string]any{"name": "n", "value": "{{ 2 }}"}},
	}
	if diff := cmp.Diff(want, plan.Steps[0].Params.unevaluated()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestPlan says what a plan holds of a flow.
func TestPlan(t *testing.T) {
	t.Parallel()
	plan, problems := Compile(decode(t, `{"title": "T", "runtime": {"runTimeout": "5s"}, "components": [
		{"id": "in", "type": "input"}, {"id": "a", "type": "all", "name": "A", "timeout": "2s", "params": {"text": "{{ input }}{{ input }}{{ step[\"in\"] }}"},
			"onError": {"action": "Default", "value": {"x": 1}, "retry": {"times": 2}}},
		{"id": "out", "type": "output"}], "edges": [{"id": "e", "origin": "in", "target": "a", "targetPort": "second"}, {"id": "f", "origin": "a", "originPort": "third", "target": "out"}]}`), testCatalog(t))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a := plan.Steps[1]
	if plan.Title != "T" || plan.RunTimeout != 5*time.Second || a.Timeout != 2*time.Second || a.Name != "A" || plan.Steps[2].Name != "output" {
		t.Errorf("got %+v", plan)
	}
	if diff := cmp.Diff(OnError{Action: "Default", Retries: 2, Backoff: time.Second, Value: map[string]any{"x": 1.0}}, a.OnError); diff != "" {
		t.Errorf("on error: -want, +got:\n%s", diff)
	}
	if diff := cmp.Diff([]Input{{From: 0, FromPort: "main", ToPort: "second", Type: catalog.Text}}, a.In); diff != "" {
		t.Errorf("edges: -want, +got:\n%s", diff)
	}
	if len(a.Reads) != 1 || a.Reads[0].Step != 0 || a.Waits != 1 {
		t.Errorf("It reads the trigger, and waits for it once: got %+v, %d", a.Reads, a.Waits)
	}
	for name, got := range map[string][][]int{"triggers": {plan.Triggers, {0}}, "terminals": {plan.Terminals, {2}}, "leaves": {plan.Leaves, {2}}, "next": {plan.Steps[0].Next, {1}}} {
		if diff := cmp.Diff(got[1], got[0]); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", name, diff)
		}
	}
}

var _ expr.Vars = inputOnly{}
