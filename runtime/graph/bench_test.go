package graph

import (
	"fmt"
	"testing"

	"github.com/weft-run/weft/api/v1alpha1"
)

// large is a valid flow of 500 components and 2,000 edges.
func large(template string) *v1alpha1.FlowSpec {
	g := newGenerator(1)
	spec := &v1alpha1.FlowSpec{Components: []v1alpha1.Component{{ID: "c0", Type: "input"}}}
	for i := 1; i < MaxComponents; i++ {
		spec.Components = append(spec.Components, v1alpha1.Component{ID: fmt.Sprintf("c%d", i), Type: "all",
			Params: raw(map[string]any{"text": template})})
		spec.Edges = append(spec.Edges, g.edge(len(spec.Edges), fmt.Sprintf("c%d", i-1), fmt.Sprintf("c%d", i)))
	}
	for len(spec.Edges) < MaxEdges {
		to := 1 + g.IntN(MaxComponents-1)
		spec.Edges = append(spec.Edges, g.edge(len(spec.Edges), fmt.Sprintf("c%d", g.IntN(to)), fmt.Sprintf("c%d", to)))
	}
	return spec
}

func BenchmarkCompileLarge(b *testing.B) {
	for name, template := range map[string]string{
		"paths": "Hello {{ input.name }} and {{ step.c0.x[1] }}",
		"CEL":   "Hello {{ input.name + \"!\" }}",
	} {
		b.Run(name, func(b *testing.B) {
			cat, spec := testCatalog(b), large(template)
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := Compile(spec, cat); len(problems) > 0 {
					b.Fatalf("the flow is not valid: %v", problems)
				}
			}
		})
	}
}

func BenchmarkHashLarge(b *testing.B) {
	spec := large("Hello {{ input.name }}")
	b.ReportAllocs()
	for b.Loop() {
		Hash(spec)
	}
}
