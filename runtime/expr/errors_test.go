package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		source string
		kind   Kind
		at     Position
		want   string // part of the message
	}{
		"Empty":       {"Nothing is not an expression.", "  ", Invalid, Position{1, 1}, "there is no expression"},
		"Ends":        {"An expression must be complete.", "1 +", Invalid, Position{1, 4}, "ends too early"},
		"Quote":       {"Quotes must be closed.", `input == "a`, Invalid, Position{1, 10}, "a quote is not closed"},
		"Extra":       {"Nothing may follow.", "input name", Invalid, Position{1, 7}, `"name" does not belong here`},
		"Keyword":     {"A word of the language cannot follow a dot.", "input.in", Invalid, Position{1, 7}, `write ["in"] instead of .in`},
		"Lines":       {"Places have lines.", "input\n  + \n foo", UnknownName, Position{3, 2}, `nothing is called "foo"`},
		"Columns":     {"Columns count characters.", `"日本ü" + foo`, UnknownName, Position{1, 9}, `nothing is called "foo"`},
		"Suggestion":  {"A misspelt name gets a suggestion.", "Read_odrer.id", UnknownName, Position{1, 1}, "did you mean Read_order?"},
		"Misspelt":    {"So do the names that are always there.", "inptu", UnknownName, Position{1, 1}, "did you mean input?"},
		"Ambiguous":   {"A name of several steps means none.", "Same", UnknownName, Position{1, 1}, `2 steps are called "Same"`},
		"NoStep":      {"A step must exist.", `step["aa"]`, UnknownName, Position{1, 5}, `no step has the id "aa"; did you mean "a"?`},
		"NoPort":      {"An output must exist.", `ports["a"].nope`, UnknownName, Position{1, 11}, `has no output "nope"; it has main, tokens`},
		"NoOutputs":   {"A step without outputs has no value.", `End`, Invalid, Position{1, 1}, `has no outputs`},
		"NoOutputs2":  {"Nor has it ports.", `ports.g.main`, UnknownName, Position{1, 8}, `has no outputs`},
		"BareStep":    {"step needs an id.", `size(step)`, Invalid, Position{1, 6}, `step["id"]`},
		"DynamicStep": {"The id must be known beforehand.", `step[input.id]`, Invalid, Position{1, 1}, `step["id"]`},
		"BarePorts":   {"ports needs an output.", `ports["a"]`, Invalid, Position{1, 6}, `ports["a"].main`},
		"Item":        {"item is for for-each.", `item.name`, UnknownName, Position{1, 1}, "inside of a for-each"},
		"Types":       {"Types must fit.", `"a" + 1`, Invalid, Position{1, 5}, `"+" does not work with (text, number); string(…)`},
		"Function":    {"Functions must exist.", `fetch("http://x")`, Invalid, Position{1, 6}, `no function "fetch"`},
		"Message":     {"There are no types to make.", `Foo{a: 1}`, Invalid, Position{1, 4}, "objects are written like"},
		"Internal":    {"What only the compiler writes cannot be written.", `@values[0]`, Invalid, Position{1, 1}, ""},
		"Long":        {"Length is bounded.", strings.Repeat("1+", MaxExpression/2) + "1", TooLarge, Position{1, 1}, "longer than"},
		"Deep":        {"Depth is bounded.", strings.Repeat("(", 200) + "1" + strings.Repeat(")", 200), TooLarge, Position{1, 1}, "too deep"},
		"Chain":       {"So are chains.", "1" + strings.Repeat("+1", 1500), TooLarge, Position{1, 1}, "too deep"},
		"UTF8":        {"Expressions are UTF-8.", "\"\xff\"", Invalid, Position{1, 1}, "UTF-8"},
		"Never":       {"What can never work is found early.", `int("x")`, Invalid, Position{1, 1}, "can never work"},
		"Yaml":        {"Only the documented functions are there.", `yaml.parse("a")`, UnknownName, Position{1, 1}, "yaml"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := testScope().Compile(tc.source)
			if len(errs) == 0 {
				t.Fatalf("%s: %s compiles", tc.reason, tc.source)
			}
			err := errs[0]
			if err.Kind != tc.kind || err.Position != tc.at || !strings.Contains(err.Message, tc.want) {
				t.Errorf("%s: %.50s: got kind %d, %s", tc.reason, tc.source, err.Kind, err)
			}
			if strings.Contains(err.Message, "@") || strings.Contains(err.Message, "overload") || len(err.Message) > 300 {
				t.Errorf("%s: the message is not in plain words: %s", tc.reason, err.Message)
			}
		})
	}
}

func TestValueErrors(t *testing.T) {
	t.Parallel()
	const secret = "s3cret"
	big := strings.Repeat("x", 1<<20)
	many := make([]any, 200_000)
	for i := range many {
		many[i] = float64(i)
	}
	deep := any("x")
	for range 2000 {
		deep = []any{deep}
	}
	cases := map[string]struct {
		reason string
		source string
		input  any
		kind   Kind
		at     Position
		want   string
	}{
		"Field":        {"A field that is missing is named.", `input.a.b + "x"`, map[string]any{"a": map[string]any{}}, Failed, Position{1, 8}, `no field "b"`},
		"FieldPath":    {"In a path too.", `input.a.b`, map[string]any{"a": map[string]any{}}, Failed, Position{1, 8}, `no field "b"`},
		"FieldOfText":  {"A text has no fields.", `input.a`, secret, Failed, Position{1, 6}, `no field "a"`},
		"Item":         {"An item that is missing is named.", `input[3] + 1`, []any{1.0}, Failed, Position{1, 6}, "no item 3"},
		"ItemPath":     {"In a path too.", `input[3]`, []any{1.0}, Failed, Position{1, 6}, "no item 3"},
		"Dynamic":      {"A key out of a value is not told.", `input[input.key]`, map[string]any{"key": secret}, Failed, Position{1, 6}, "nothing at this place"},
		"Types":        {"Values that do not fit are said to.", `input + 1`, secret, Failed, Position{1, 7}, "do not fit"},
		"Null":         {"Nothing cannot be computed with.", `input * 2`, nil, Failed, Position{1, 7}, "do not fit"},
		"Conversion":   {"A value that does not convert is not told.", `int(input)`, secret, Failed, Position{1, 4}, "do not fit"},
		"Division":     {"Whole numbers are not divided by zero.", `1 / int(input)`, 0.0, Failed, Position{1, 3}, "division by zero"},
		"Infinity":     {"Nor are others.", `1.0 / input`, 0.0, Failed, Position{1, 1}, "divided by zero"},
		"NotJSON":      {"A type is not a value.", `type(input)`, 1.0, Failed, Position{1, 1}, "not a value of JSON"},
		"Parse":        {"What is parsed must be JSON.", `json.parse(input)`, secret, Failed, Position{1, 11}, "not JSON"},
		"Replace":      {"A text does not explode.", `input.replace("", input)`, big, TooLarge, Position{1, 14}, "too large"},
		"ReplaceLong":  {"However it is done.", `input.replace("x", "` + strings.Repeat("y", 100) + `")`, big, TooLarge, Position{1, 14}, "too large"},
		"Join":         {"Nor does a list of it.", `[input,input,input,input,input].join(input)`, big, TooLarge, Position{1, 37}, "too large"},
		"Format":       {"Nor does a format.", `"%s%s%s%s%s%s".format([input,input,input,input,input,input])`, big, TooLarge, Position{1, 22}, "too large"},
		"Double":       {"Doubling ends.", `[input].map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a)`, big, TooLarge, Position{1, 65}, "too large"},
		"DoubleLists":  {"Of lists too.", `[[input]]` + strings.Repeat(".map(a, a+a)", 40), 1.0, TooLarge, Position{1, 259}, "too large"},
		"DoubleNest":   {"And of lists in lists.", `[input]` + strings.Repeat(".map(a, [a,a])", 40), 1.0, TooLarge, Position{1, 1}, ""},
		"Distinct":     {"Comparing all with all is bounded.", `input.distinct()`, many, TooLarge, Position{1, 1}, "too much work"},
		"Sort":         {"Sorting is bounded.", `input.sort()`, many, TooLarge, Position{1, 11}, "too large"},
		"Range":        {"Lists are not made out of nothing.", `lists.range(100000000)`, nil, Failed, Position{1, 12}, ""},
		"Loops":        {"Loops in loops end.", `input.all(a, input.all(b, input.all(c, a + b + c >= 0)))`, many[:2000], TooLarge, Position{1, 1}, "too much work"},
		"Regexp":       {"Regular expressions out of values are bounded.", `"x".matches(input)`, strings.Repeat("(a{1,1000}){1,1000}", 3), Failed, Position{1, 1}, "do not fit"},
		"DeepEncode":   {"Depth into a text is bounded.", `json.encode([input])`, deep, TooLarge, Position{1, 12}, "too large"},
		"DeepEqual":    {"Depth is bounded in comparisons.", `input == [input]`, deep, TooLarge, Position{1, 7}, "too large"},
		"Base64":       {"What is not base64 is said to be.", `base64.decode(input)`, "!", Failed, Position{1, 14}, ""},
		"SplitNothing": {"A text is not split into too many.", `input.split("")`, big + big, TooLarge, Position{1, 12}, "too large"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, errs := testScope().Compile(tc.source)
			if len(errs) > 0 {
				t.Fatalf("%s: Compile(%.80s): %v", tc.reason, tc.source, errs)
			}
			start := time.Now()
			_, err := e.Value(context.Background(), &testVars{input: tc.input})
			if err == nil {
				t.Fatalf("%s: %.80s gives a value", tc.reason, tc.source)
			}
			if err.Kind != tc.kind || err.Position != tc.at || !strings.Contains(err.Message, tc.want) {
				t.Errorf("%s: %.50s: got kind %d, %s", tc.reason, tc.source, err.Kind, err)
			}
			if strings.Contains(err.Message, secret) || len(err.Message) > 300 {
				t.Errorf("%s: the message tells a value: %.300s", tc.reason, err.Message)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("%s: it took %s", tc.reason, took)
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   any
		err    string
	}{
		"Plain":         {"A text without expressions is itself.", "Hello } } {", "Hello } } {", ""},
		"Nothing":       {"So is nothing.", "", "", ""},
		"Lone":          {"A lone expression keeps its type.", "{{ input.items[0].n }}", 2.0, ""},
		"LoneSpace":     {"With anything around, even a space, it is text.", "{{ input.age }} ", "30 ", ""},
		"Two":           {"So are two.", "{{ input.age }}{{ input.age }}", "3030", ""},
		"Object":        {"Objects become JSON.", "x {{ input.items[0] }}", `x {"n":2,"price":2.5}`, ""},
		"Null":          {"Nothing becomes nothing.", "[{{ input.none }}]", "[]", ""},
		"Number":        {"Numbers have no trailing zeros.", "{{ 1.50 }}, {{ 1e21 }}, {{ 0.0000001 }}, {{ 100000.0 }}", "1.5, 1e+21, 1e-7, 100000", ""},
		"Bool":          {"true is true.", "{{ true }}!", "true!", ""},
		"Braces":        {"Braces in an expression belong to it.", `{{ {"a": {"b": "}}"}}.a.b }} and {{ "{{" }}`, "}} and {{", ""},
		"Quotes":        {"So do braces in quotes.", `{{ '}}' + "\"}}" + r"\}}" + """a"}}""" }}.`, `}}"}}\}}a"}}.`, ""},
		"Comment":       {"A comment ends with its line.", "{{ 1 // }} no\n }}!", "1!", ""},
		"Single":        {"Single braces are text.", "{ {a} }{{ 1 }}}", "{ {a} }1}", ""},
		"Unclosed":      {"Braces must be closed.", "abc\n {{ input", nil, "line 2, column 2: {{ has no matching }}"},
		"UnclosedQuote": {"So must quotes in them.", `{{ "a }}`, nil, "line 1, column 1: {{ has no matching }}, or a quote"},
		"EmptyBraces":   {"There must be something in them.", "a {{ }}", nil, "line 1, column 5: there is no expression"},
		"Place":         {"The place counts from the start of the text.", "é\n{{ 1 }} {{ \n foo }}", nil, `line 3, column 2: nothing is called "foo"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmpl, errs := testScope().Template(tc.text)
			var err error
			var got any
			if len(errs) > 0 {
				err = errs[0]
			} else if v, e := tmpl.Value(context.Background(), theVars(), 1<<20); e != nil {
				err = e
			} else {
				got = v
			}
			if (err != nil) != (tc.err != "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Fatalf("%s: got error %v, want %q", tc.reason, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTemplateTooLong(t *testing.T) {
	t.Parallel()
	tmpl, errs := testScope().Template(strings.Repeat("{{ input }},", 900))
	if len(errs) > 0 {
		t.Fatalf("compiling: %v", errs)
	}
	_, err := tmpl.Text(context.Background(), &testVars{input: strings.Repeat("x", 1<<20)}, 16<<20)
	if err == nil || err.Kind != TooLarge {
		t.Errorf("A text must not become longer than it may: got %v", err)
	}
	if _, errs := testScope().Template(strings.Repeat("{{1}}", MaxSegments+1)); len(errs) != 1 || errs[0].Kind != TooLarge {
		t.Errorf("The number of expressions is bounded: got %v", errs)
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		source  string
		want    bool
		compile string
		run     string
	}{
		"Bare":    {"A condition is an expression.", "input.age > 18", true, "", ""},
		"Braces":  {"It may stand in braces.", " {{ input.age < 18 }} ", false, "", ""},
		"Path":    {"A path may be true or false.", "ports.a.tokens", false, "", "line 1, column 1: the condition must be true or false, but it is a number"},
		"Text":    {"A text never is.", `"yes"`, false, "line 1, column 1: a condition must be true or false", ""},
		"Dynamic": {"What is not known is found out.", `input.name + ""`, false, "line 1, column 1: a condition must be true or false", ""},
		"Place":   {"Places count from the start.", "  {{ input.age > }}", false, "line 1, column 17: the expression ends too early", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, errs := testScope().Condition(tc.source)
			if len(errs) > 0 {
				if tc.compile == "" || !strings.HasPrefix(errs[0].Error(), tc.compile) {
					t.Fatalf("%s: got %v, want %q", tc.reason, errs, tc.compile)
				}
				return
			}
			got, err := e.Bool(context.Background(), theVars())
			if err != nil {
				if tc.run == "" || !strings.HasPrefix(err.Error(), tc.run) {
					t.Fatalf("%s: got %v, want %q", tc.reason, err, tc.run)
				}
				return
			}
			if got != tc.want || tc.compile+tc.run != "" {
				t.Errorf("%s: got %v", tc.reason, got)
			}
		})
	}
}

func TestIdentifier(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Read order": "Read_order", "  Read -- order! ": "Read_order", "Añadir": "Anadir", "2nd": "_2nd", "input": "input_", "if": "if_", "step": "step_",
		"日本": "", "": "", "!!": "", "a_b": "a_b", "list": "list_", "naïve café №1": "naive_cafe_1", "openai-chat": "openai_chat", "x\u0301y": "xy",
	} {
		if got := Identifier(name); got != want {
			t.Errorf("Identifier(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	e, errs := testScope().Compile(`lists.range(1000).map(a, lists.range(1000).map(b, a * b))`)
	if len(errs) > 0 {
		t.Fatalf("compiling: %v", errs)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Value(ctx, theVars()); err == nil || err.Kind != TooLarge {
		t.Errorf("An evaluation ends with its context: got %v", err)
	}
}

func TestErrorsAreErrors(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("evaluating: %w", &Error{Kind: Failed, Position: Position{2, 3}, Message: "m"})
	var e *Error
	if !errors.As(err, &e) || e.Error() != "line 2, column 3: m" {
		t.Errorf("got %v", e)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"tset": "test", "prompt": "prompt", "promt": "prompt", "xyzzy": "", "": "", "t": ""} {
		if got := Nearest(word, []string{"temperature", "prompt", "test", "text"}); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
