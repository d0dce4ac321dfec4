package logic

import (
	"context"
	"maps"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

const maxFields = 100

// SetFields makes an object out of named values.
func SetFields() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "set-fields",
			Title:   "Set fields",
			Group:   catalog.GroupLogic,
			Summary: "Puts values together under names of your choice.",
			Help: "Each field has a name and a value. A value may be a fixed text, or a value of an earlier step such as `{{ input.email }}`, or both mixed. " +
				"A value that is nothing but one `{{ … }}` keeps its kind: a number stays a number and a list stays a list.\n\n" +
				"Switch on “Keep what comes in” to add the fields to the object that comes in. Where both have a field of the same name, the one that is set here counts.",
			Inputs:  []catalog.Port{{Name: catalog.MainPort, Title: "Object", Type: catalog.Any, Help: "Its fields are kept where you ask for it."}},
			Outputs: []catalog.Port{{Name: catalog.MainPort, Title: "Object", Type: catalog.Object, Help: "The fields with their values."}},
			Fields: []catalog.Field{
				{
					Name: "fields", Label: "Fields", Type: catalog.FieldMap, Template: true, Required: true,
					Min: param.Bound(1), Max: param.Bound(maxFields), Help: "Names and their values.",
				},
				{
					Name: "keep", Label: "Keep what comes in", Type: catalog.FieldBoolean, Default: false,
					Help: "Add the fields to those of the object that comes in.",
				},
			},
			Since: "0.1",
			Examples: []catalog.Example{
				{Title: "A contact", Params: map[string]any{"fields": map[string]any{"name": "{{ input.first }} {{ input.last }}", "source": "web form"}}},
				{Title: "Add a field", Params: map[string]any{"fields": map[string]any{"status": "new"}, "keep": true}},
			},
		},
		Timeout: 5 * time.Second,
		Run:     runSetFields,
	}
}

func runSetFields(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
	out := map[string]any{}
	if incoming, ok := call.Inputs[catalog.MainPort].(map[string]any); ok && param.Bool(call.Params, "keep") {
		maps.Copy(out, incoming)
	}
	maps.Copy(out, param.Map(call.Params, "fields"))
	return catalog.Main(out), nil
}
