package expr

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkCompile(b *testing.B) {
	for name, source := range map[string]string{
		"path":   `input.items[0].price`,
		"simple": `input.age * 2 > 10`,
		"macro":  `input.items.filter(i, i.price > 2).map(i, i.name).join(", ")`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := NewScope(nil)
				if _, errs := s.Compile(source); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
	}
}

func BenchmarkValue(b *testing.B) {
	for name, source := range map[string]string{
		"path":   `input.items[0].price`,
		"simple": `input.age * 2 > 10`,
	} {
		b.Run(name, func(b *testing.B) { benchmarkValue(b, source, theVars()) })
	}
	for _, n := range []int{10, 1000, 10_000} {
		items := make([]any, n)
		for i := range items {
			items[i] = map[string]any{"price": float64(i), "name": "item"}
		}
		b.Run(fmt.Sprintf("filter%d", n), func(b *testing.B) {
			benchmarkValue(b, `input.items.filter(i, i.price > 2).size()`, &testVars{input: map[string]any{"items": items}})
		})
	}
}

func benchmarkValue(b *testing.B, source string, vars Vars) {
	e, errs := testScope().Compile(source)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Value(context.Background(), vars); err != nil {
			b.Fatal(err)
		}
	}
}
