package graph

import (
	"context"
	"testing"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

func number(n float64) *float64 { return new(n) }

// testCatalog has component types with every kind of field and port.
func testCatalog(t testing.TB) *catalog.Catalog {
	t.Helper()
	run := func(context.Context, *catalog.Call) (catalog.Outputs, error) { return catalog.Outputs{}, nil }
	ports := func(types ...catalog.PortType) []catalog.Port {
		var out []catalog.Port
		for i, p := range types {
			out = append(out, catalog.Port{Name: []string{"main", "second", "third"}[i], Type: p})
		}
		return out
	}
	fields := []catalog.Field{
		{Name: "text", Label: "Text", Type: catalog.FieldText, Template: true, MaxLength: 40_000},
		{Name: "word", Label: "Word", Type: catalog.FieldString, Template: true},
		{Name: "plain", Label: "Plain", Type: catalog.FieldString},
		{Name: "number", Label: "Number", Type: catalog.FieldNumber, Min: number(1), Max: number(10), Integer: true, Template: true},
		{Name: "yes", Label: "Yes", Type: catalog.FieldBoolean},
		{Name: "choice", Label: "Choice", Type: catalog.FieldSelect, Options: []catalog.Option{{Value: "a"}, {Value: "b"}}, Default: "a"},
		{Name: "condition", Label: "Condition", Type: catalog.FieldCondition},
		{Name: "map", Label: "Map", Type: catalog.FieldMap, Template: true, Max: number(50)},
		{Name: "list", Label: "List", Type: catalog.FieldList, Items: []catalog.Field{
			{Name: "name", Label: "Name", Type: catalog.FieldString, Required: true},
			{Name: "value", Label: "Value", Type: catalog.FieldText, Template: true},
		}},
		{Name: "words", Label: "Words", Type: catalog.FieldStringList, Template: true},
		{Name: "json", Label: "JSON", Type: catalog.FieldJSON, Template: true},
		{Name: "onlyB", Label: "Only B", Type: catalog.FieldString, Required: true, ShownIf: &catalog.Condition{Field: "choice", Values: []string{"b"}}},
	}
	cat, err := catalog.New(
		&catalog.Component{Spec: catalog.Spec{Type: "input", Title: "Input", Trigger: true, Outputs: ports(catalog.Any)}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "output", Title: "Output", Terminal: true, Inputs: ports(catalog.Any)}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "all", Title: "All", Inputs: ports(catalog.Any, catalog.Text, catalog.List), Outputs: ports(catalog.Any, catalog.Text, catalog.Number), Fields: fields}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "text", Title: "Text", Inputs: ports(catalog.Text), Outputs: ports(catalog.Text), Fields: fields[:1]}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "object", Title: "Object", Inputs: ports(catalog.Object), Outputs: ports(catalog.Object)}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "boolean", Title: "Boolean", Inputs: ports(catalog.Boolean), Outputs: ports(catalog.Boolean)}, Run: run},
		&catalog.Component{Spec: catalog.Spec{Type: "keyed", Title: "Keyed", Inputs: ports(catalog.Any), Outputs: ports(catalog.Any), Credential: &catalog.CredentialSpec{Provider: "x", Title: "X key", Required: true}}, Run: run},
		&catalog.Component{
			Spec: catalog.Spec{Type: "picky", Title: "Picky", Inputs: ports(catalog.Any), Outputs: ports(catalog.Any), Fields: []catalog.Field{{Name: "url", Label: "URL", Type: catalog.FieldString, Required: true, Template: true}}},
			Run:  run,
			Validate: func(p catalog.Params) []catalog.FieldProblem {
				if p["url"] == "bad" {
					return []catalog.FieldProblem{{Field: "url", Message: "this is not a URL"}}
				}
				return nil
			},
		},
	)
	if err != nil {
		t.Fatalf("making the catalogue: %v", err)
	}
	return cat
}

func decode(t testing.TB, source string) *v1alpha1.FlowSpec {
	t.Helper()
	spec, problems := Decode([]byte(source))
	if len(problems) > 0 {
		t.Fatalf("reading the flow: %v", problems)
	}
	return spec
}
