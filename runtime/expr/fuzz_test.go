package expr

import (
	"context"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are expressions that tests have found worth keeping.
var hostile = []string{
	`input`, `input.a[0]["b"]`, `step["a"].x + 1`, `ports.a.tokens`, `has(step.a) && has(ports["a"].tokens)`, `[1,2].map(x, x * 2.5)`,
	`{"a": {"b": [1, null, true]}}.a.b`, `input.filter(i, i > 1).map(i, string(i)).join(",")`, `"%s".format([input])`, `json.parse("[1]")[0]`,
	`[0].map(a,[a,a]).map(a,[a,a]) == [1]`, `input in [1, "a", [2]]`, `now.getFullYear() > 2000 ? flow.title : "x"`, `b"\xff"`, `r"\n" + '''a'''`,
	`((((1))))`, `!!true`, `--1`, `a.b.c(d)`, `input.?a`, "input.`a b`", `.input`, `@values[0]`, `1 / 0`, `9223372036854775807 + 1`, `-input % 3`, "\u202einput", "// x", `"`, `{{`,
	`lists.range(10).map(i, lists.range(i))`, `input.matches("(a*)*b")`, `[3,1,2].sortBy(x, -x)`, `type(input) == string`, `duration("1h") + duration("1m")`,
}

func FuzzExpression(f *testing.F) {
	for _, source := range hostile {
		f.Add(source, "text")
	}
	f.Fuzz(func(t *testing.T, source, input string) {
		start := time.Now()
		e, errs := testScope().Compile(source)
		soundErrors(t, source, errs)
		if len(errs) > 0 {
			return
		}
		vars := theVars()
		for _, value := range []any{input, vars.input, []any{input, 1.0}} {
			vars.input = value
			got, err := e.Value(context.Background(), vars)
			if err != nil {
				soundErrors(t, source, []*Error{err})
			} else if !utf8.ValidString(Text(got)) && utf8.ValidString(source) && utf8.ValidString(input) {
				t.Errorf("%q gives text that is not UTF-8: %q", source, Text(got))
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%q took %s", source, took)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, source := range hostile {
		f.Add("a {{ " + source + " }} b")
		f.Add("{{" + source + "}}{{" + source)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, errs := testScope().Template(text)
		soundErrors(t, text, errs)
		if len(errs) > 0 {
			return
		}
		if static, ok := tmpl.Static(); ok && static != text {
			t.Errorf("%q becomes %q", text, static)
		}
		got, err := tmpl.Text(context.Background(), theVars(), 1000)
		if err != nil {
			soundErrors(t, text, []*Error{err})
		}
		if len(got) > 1000 && len(got) > len(text) {
			t.Errorf("%q becomes %d bytes", text, len(got))
		}
	})
}

// soundErrors checks what holds for every error.
func soundErrors(t *testing.T, source string, errs []*Error) {
	t.Helper()
	for _, err := range errs {
		if err == nil || err.Message == "" || err.Line < 1 || err.Column < 1 || len(err.Message) > 400 {
			t.Errorf("%q has an incomplete error: %+v", source, err)
		}
		if !utf8.ValidString(err.Message) {
			t.Errorf("%q has an error that is not UTF-8: %q", source, err.Message)
		}
	}
}
