package logic_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/logic"
)

type object = map[string]any

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		component *catalog.Component
		call      catalog.Call
		want      catalog.Outputs
	}{
		"if, holds": {"What comes in leaves through Yes.", logic.If(),
			catalog.Call{Params: catalog.Params{"condition": true}, Inputs: object{"main": object{"a": 1.0}}}, catalog.Outputs{"true": object{"a": 1.0}}},
		"if, does not": {"Or through No, and nowhere else.", logic.If(),
			catalog.Call{Params: catalog.Params{"condition": false}, Inputs: object{"main": "x"}}, catalog.Outputs{"false": "x"}},
		"if, null comes in": {"Null is a value.", logic.If(),
			catalog.Call{Params: catalog.Params{"condition": true}, Inputs: object{"main": nil}}, catalog.Outputs{"true": nil}},
		"if, nothing comes in": {"Without a value, the answer itself is passed on.", logic.If(),
			catalog.Call{Params: catalog.Params{"condition": false}}, catalog.Outputs{"false": false}},
		"text": {"A template gives its text.", logic.TextTemplate(),
			catalog.Call{Params: catalog.Params{"text": "Hello Ann"}}, catalog.Main("Hello Ann")},
		"fields": {"Fields keep their kinds.", logic.SetFields(),
			catalog.Call{Params: catalog.Params{"fields": object{"n": 1.0, "t": "x", "l": []any{true}}}, Inputs: object{"main": object{"old": 1.0}}},
			catalog.Main(object{"n": 1.0, "t": "x", "l": []any{true}})},
		"fields, keep": {"What comes in is kept where asked for; what is set here counts.", logic.SetFields(),
			catalog.Call{Params: catalog.Params{"fields": object{"b": "new"}, "keep": true}, Inputs: object{"main": object{"a": 1.0, "b": "old"}}},
			catalog.Main(object{"a": 1.0, "b": "new"})},
		"fields, keep nothing": {"What is no object has no fields.", logic.SetFields(),
			catalog.Call{Params: catalog.Params{"fields": object{"b": "new"}, "keep": true}, Inputs: object{"main": "text"}}, catalog.Main(object{"b": "new"})},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.component.Run(t.Context(), &tc.call)
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestKeepDoesNotChangeWhatCameIn(t *testing.T) {
	t.Parallel()
	incoming := object{"a": 1.0}
	call := &catalog.Call{Params: catalog.Params{"fields": object{"a": 2.0}, "keep": true}, Inputs: object{"main": incoming}}
	if _, err := logic.SetFields().Run(t.Context(), call); err != nil {
		t.Fatalf("setting fields: %v", err)
	}
	if diff := cmp.Diff(object{"a": 1.0}, incoming); diff != "" {
		t.Errorf("other steps see another value now (-want +got):\n%s", diff)
	}
}
