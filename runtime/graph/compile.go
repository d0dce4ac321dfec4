package graph

import (
	"fmt"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// Plan is a compiled flow: immutable, and used by many runs at once.
type Plan struct {
	title string
}

// Title of the flow.
func (p *Plan) Title() string { return p.title }

// Validate returns every problem of the flow, in the order of the flow. No
// problem means that Compile succeeds.
func Validate(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) []Problem {
	var problems []Problem
	for i := range spec.Components {
		c := &spec.Components[i]
		if _, ok := cat.Lookup(c.Type); !ok {
			problems = append(problems, Problem{
				Component: c.ID, Field: "type", Code: CodeUnknown,
				Message: fmt.Sprintf("there is no step of type %q", c.Type),
			})
		}
	}
	return problems
}

// Compile validates the flow and makes a plan of it. The plan is nil where
// there are problems.
func Compile(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) (*Plan, []Problem) {
	if problems := Validate(spec, cat); len(problems) > 0 {
		return nil, problems
	}
	return &Plan{title: spec.Title}, nil
}
