package engine

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// tenSteps is input → eight texts → output.
func tenSteps(b *testing.B, expression string) *Runner {
	b.Helper()
	components := []string{`{"id": "s0", "type": "input"}`}
	var edges []string
	for i := 1; i <= 8; i++ {
		components = append(components, fmt.Sprintf(`{"id": "s%d", "type": "text", "params": {"text": %q}}`, i, expression))
		edges = append(edges, fmt.Sprintf("s%d > s%d", i-1, i))
	}
	components = append(components, `{"id": "s9", "type": "output"}`)
	edges = append(edges, "s8 > s9")
	k := &kit{}
	spec := flow(b, `{"components": [`+strings.Join(components, ",")+`]}`, edges...)
	return New(compile(b, k, spec), Options{})
}

func benchmarkRun(b *testing.B, expression string, sink func(Event)) {
	r := tenSteps(b, expression)
	input := map[string]any{"name": "Ann", "total": 12.5}
	b.ReportAllocs()
	for b.Loop() {
		if result := r.Run(context.Background(), input, sink); result.Status != Succeeded {
			b.Fatalf("the run failed: %v", result.Errors)
		}
	}
}

func BenchmarkRun10Steps(b *testing.B) { benchmarkRun(b, "hello", nil) }

func BenchmarkRun10StepsTemplates(b *testing.B) {
	benchmarkRun(b, "Hello {{ input.name }}, you pay {{ input.total }}", nil)
}

func BenchmarkRun10StepsCEL(b *testing.B) {
	benchmarkRun(b, "You pay {{ input.total * 2 }}", nil)
}

func BenchmarkRun10StepsEvents(b *testing.B) { benchmarkRun(b, "hello", func(Event) {}) }
