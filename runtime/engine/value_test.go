package engine

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
)

func TestMeasure(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		value  any
		err    error
	}{
		"Small":    {"A small value fits.", map[string]any{"a": []any{1.0, "x", nil, true}}, nil},
		"Text":     {"A text counts by its length.", strings.Repeat("x", 1000), errValueTooLarge},
		"Keys":     {"Keys count too.", map[string]any{strings.Repeat("x", 1000): nil}, errValueTooLarge},
		"Many":     {"So does the number of values.", make([]any, 100), errValueTooLarge},
		"NaN":      {"A number must be one.", []any{math.NaN()}, errNotANumber},
		"Infinity": {"A number must be finite.", math.Inf(-1), errNotANumber},
		"Struct":   {"Other types of Go are no JSON values.", []any{struct{}{}}, errNotJSON},
		"Int":      {"Not even ints.", 1, errNotJSON},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := measure(tc.value, 1000); !errors.Is(err, tc.err) {
				t.Errorf("%s: got %v, want %v", tc.reason, err, tc.err)
			}
		})
	}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		value  any
		to     catalog.PortType
		want   any
	}{
		"ObjectToText":  {"An object becomes JSON.", map[string]any{"b": 1.0, "a": "<"}, catalog.Text, `{"a":"<","b":1}`},
		"NumberToText":  {"A number has no trailing zeros.", 1.50, catalog.Text, "1.5"},
		"MessageToText": {"A message becomes its content.", map[string]any{"role": "user", "content": "hi"}, catalog.Text, "hi"},
		"TextToText":    {"A text stays as it is.", "1.50", catalog.Text, "1.50"},
		"OneToList":     {"One becomes a list.", "a", catalog.List, []any{"a"}},
		"ListToList":    {"A list stays as it is.", []any{"a"}, catalog.List, []any{"a"}},
		"Any":           {"Nothing is converted where anything fits.", 1.0, catalog.Any, 1.0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, convert(tc.value, tc.to)); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"it": func(context.Context, *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(map[string]any{"n": 1, "list": []string{"a"}}), nil
		},
	}}
	plan := compile(t, k, flow(t, `{"components": [{"id": "h", "type": "hook", "params": {"name": "it"}}]}`))
	result := New(plan, Options{Test: true}).Run(soon(t), nil, nil)
	if diff := cmp.Diff(any(map[string]any{"n": 1.0, "list": []any{"a"}}), result.Value); diff != "" {
		t.Errorf("What Go can write as JSON becomes a JSON value: -want, +got:\n%s", diff)
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	small := map[string]any{"main": "x"}
	if diff := cmp.Diff(small, preview(small)); diff != "" || preview(nil) != nil {
		t.Errorf("A small value is shown whole: -want, +got:\n%s", diff)
	}
	large := map[string]any{"main": []any{strings.Repeat("é", previewBytes), "later"}, "other": "y"}
	got := preview(large)
	if _, err := measure(got, previewBytes+1000); err != nil {
		t.Errorf("A large value is shortened: %v", err)
	}
	first, ok := got["main"].([]any)
	if !ok || len(first) == 0 || !strings.HasPrefix(first[0].(string), "éé") || !strings.HasSuffix(first[0].(string), "…") || !utf8.ValidString(first[0].(string)) {
		t.Errorf("Its beginning is shown: got %T of %d", got["main"], len(first))
	}
	many := preview(map[string]any{"main": make([]any, previewBytes)})
	if list, ok := many["main"].([]any); !ok || len(list) > previewBytes/10 || list[len(list)-1] != "…" {
		t.Errorf("A long list is cut: got %d items", len(list))
	}
}

func TestCallContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	run, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "v"))
	c := &callContext{run: run, deadline: time.Now().Add(time.Hour)}
	if c.Err() != nil || c.Value(key{}) != "v" || c.cause() != nil {
		t.Errorf("It goes on at first: got %v", c.Err())
	}
	child, stop := context.WithTimeout(c, time.Hour)
	defer stop()
	cancel()
	<-child.Done()
	if !errors.Is(c.Err(), context.Canceled) {
		t.Errorf("It ends with the run: got %v", c.Err())
	}

	past := &callContext{run: context.Background(), deadline: time.Now()}
	if !errors.Is(past.Err(), context.DeadlineExceeded) {
		t.Errorf("It ends in time though nobody waits: got %v", past.Err())
	}
	<-past.Done()

	over := &callContext{run: context.Background(), deadline: time.Now().Add(time.Hour)}
	over.finish(errCanceled)
	over.finish(errPanicked)
	if !errors.Is(over.Err(), context.Canceled) || !errors.Is(over.cause(), errCanceled) {
		t.Errorf("The first cause counts: got %v, %v", over.Err(), over.cause())
	}
	<-over.Done()
	if !errors.Is(context.Cause(over.real()), errCanceled) {
		t.Errorf("And can be asked for: got %v", context.Cause(over.real()))
	}
}
