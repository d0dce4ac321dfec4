package expr

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// jsonValue draws a JSON value with few keys, so that paths often hit.
func jsonValue(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 && kind > 4 {
		kind = 0
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.SampledFrom([]float64{0, -0.5, 1, 3.25, 1e21, 1e-7, 42}).Draw(t, "number")
	case 3, 4:
		return rapid.SampledFrom([]string{"", "x", "{{ input }}", "日本", "a\nb", `"`}).Draw(t, "text")
	case 5:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			list = append(list, jsonValue(t, depth-1))
		}
		return list
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		object[rapid.SampledFrom([]string{"a", "b", "c d", "in", "for", "0"}).Draw(t, "field")] = jsonValue(t, depth-1)
	}
	return object
}

// TestPathIsCEL says that a path gives the same value as CEL gives for it, or
// fails too.
func TestPathIsCEL(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		vars := theVars()
		vars.input = jsonValue(t, 3)
		vars.values[[2]any{0, "main"}] = jsonValue(t, 3)
		source := rapid.SampledFrom([]string{"input", "Read_order", `step["a"]`, "step.a", `ports["a"].tokens`, "ports.a['main']", "skipped", "if_", "math"}).Draw(t, "root")
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			source += rapid.SampledFrom([]string{".a", ".b", ".for", ".x", `["a"]`, `['c d']`, `["in"]`, "[0]", "[1]", "[7]", `["0"]`}).Draw(t, "part")
		}
		s := testScope()
		at := Position{2, 5}
		path, ok := s.path(source, at)
		if !ok {
			t.Fatalf("%s is not a path", source)
		}
		got, gotErr := path.Value(context.Background(), vars)
		program, errs := s.program(source, at)
		if len(errs) > 0 {
			t.Fatalf("CEL cannot compile %s: %v", source, errs)
		}
		want, wantErr := program.Value(context.Background(), vars)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -CEL, +path:\n%s", source, diff)
		}
		// CEL does not say which of two parts with the same name is missing.
		if (wantErr == nil) != (gotErr == nil) || wantErr != nil && wantErr.Kind != gotErr.Kind {
			t.Errorf("%s: errors differ: CEL %v, path %v", source, wantErr, gotErr)
		}
		ignorePlace := cmp.Transformer("place", func(r Ref) [2]any { return [2]any{r.Step, r.Port} })
		if diff := cmp.Diff(program.Refs(), path.Refs(), ignorePlace); diff != "" {
			t.Errorf("%s: references: -CEL, +path:\n%s", source, diff)
		}
	})
}

// TestNotPath says that nothing is taken for a path that CEL reads in another
// way: whatever the path reader takes, CEL compiles, and what CEL does not
// compile, the path reader does not take.
func TestNotPath(t *testing.T) {
	t.Parallel()
	alphabet := []string{"input", "step", "ports", "a", "Read_order", ".", "[", "]", `"`, "'", "0", "1", "01", "x", " ", "in", "true", "-", "\\", "(", ")", "u", "日"}
	rapid.Check(t, func(t *rapid.T) {
		source := ""
		for range rapid.IntRange(1, 8).Draw(t, "length") {
			source += rapid.SampledFrom(alphabet).Draw(t, "part")
		}
		s := testScope()
		if _, ok := s.path(source, Position{1, 1}); !ok {
			return
		}
		if _, errs := s.program(source, Position{1, 1}); len(errs) > 0 {
			t.Errorf("%q is taken for a path, but CEL says %v", source, errs)
		}
	})
}

// TestValuesAreData says that no value is evaluated: a template gives what its
// texts and values are, whatever they look like.
func TestValuesAreData(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value") + rapid.SampledFrom([]string{"", "{{ 1 + 1 }}", "}}", "{{"}).Draw(t, "end")
		if !utf8.ValidString(value) {
			return
		}
		tmpl, errs := testScope().Template("a {{ input }} b {{ input + \"\" }}")
		if len(errs) > 0 {
			t.Fatalf("compiling: %v", errs)
		}
		got, err := tmpl.Text(context.Background(), &testVars{input: value}, 1<<20)
		if err != nil {
			t.Fatalf("evaluating: %v", err)
		}
		if want := "a " + value + " b " + value; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestTextRoundTrip says that the text of an object or list is its JSON.
func TestTextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := []any{jsonValue(t, 4)}
		var got any
		if err := json.Unmarshal([]byte(Text(value)), &got); err != nil {
			t.Fatalf("%q is not JSON: %v", Text(value), err)
		}
		if diff := cmp.Diff(any(value), got); diff != "" {
			t.Errorf("-want, +got:\n%s", diff)
		}
	})
}

// TestArithmetic says that mixing ints and doubles gives what doubles give.
func TestArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(-1000, 1000).Draw(t, "a"), rapid.IntRange(1, 1000).Draw(t, "b")
		for op, want := range map[string]float64{"+": float64(a + b), "-": float64(a - b), "*": float64(a * b), "/": float64(a) / float64(b), "%": float64(a % b)} {
			for _, source := range []string{fmt.Sprintf("input %s %d", op, b), fmt.Sprintf("input %s double(%d)", op, b), fmt.Sprintf("(%d) %s double(%d)", a, op, b)} {
				e, errs := testScope().Compile(source)
				if len(errs) > 0 {
					t.Fatalf("%s: %v", source, errs)
				}
				got, err := e.Value(context.Background(), &testVars{input: float64(a)})
				if err != nil || got != any(want) && fmt.Sprint(got) != fmt.Sprint(want+0) {
					t.Errorf("%s with input %d: got %v, %v; want %v", source, a, got, err, want)
				}
			}
		}
	})
}
