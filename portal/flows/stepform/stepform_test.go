package stepform

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
)

func fields() []catalog.Field {
	return []catalog.Field{
		{Name: "name", Label: "Name", Type: catalog.FieldString},
		{Name: "model", Label: "Model", Type: catalog.FieldString, Default: "small"},
		{Name: "text", Label: "Text", Type: catalog.FieldText, Template: true},
		{Name: "count", Label: "Count", Type: catalog.FieldNumber, Default: float64(3)},
		{Name: "on", Label: "On", Type: catalog.FieldBoolean, Default: true},
		{Name: "way", Label: "Way", Type: catalog.FieldSelect, Default: "a", Options: []catalog.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}},
		{Name: "map", Label: "Map", Type: catalog.FieldMap},
		{Name: "json", Label: "JSON", Type: catalog.FieldJSON},
		{Name: "lines", Label: "Lines", Type: catalog.FieldStringList},
		{Name: "secret", Label: "Secret", Type: catalog.FieldString, Secret: true},
		{Name: "list", Label: "List", Type: catalog.FieldList, Items: []catalog.Field{
			{Name: "key", Label: "Key", Type: catalog.FieldString, Required: true},
			{Name: "kind", Label: "Kind", Type: catalog.FieldSelect, Default: "x", Options: []catalog.Option{{Value: "x"}, {Value: "y"}}},
			{Name: "must", Label: "Must", Type: catalog.FieldBoolean, Default: false},
		}},
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		old    map[string]any
		form   url.Values
		want   map[string]any
	}{
		"Nothing": {
			reason: "settings without a control stay as they are",
			old:    map[string]any{"name": "a", "unknown": 1.0},
			want:   map[string]any{"name": "a", "unknown": 1.0},
		},
		"Texts": {
			reason: "line ends are those of everyone else, and NUL is dropped",
			form:   url.Values{"p.text": {"a\r\nb\x00c"}},
			want:   map[string]any{"text": "a\nbc"},
		},
		"Emptied": {
			reason: "an empty text without a default is no setting",
			old:    map[string]any{"name": "a"},
			form:   url.Values{"p.name": {""}},
			want:   map[string]any{},
		},
		"EmptiedDefault": {
			reason: "a default that was emptied stays empty",
			form:   url.Values{"p.model": {""}},
			want:   map[string]any{"model": ""},
		},
		"Default": {
			reason: "what equals the default is left out",
			old:    map[string]any{"model": "large", "count": 4.0, "on": false, "way": "b"},
			form:   url.Values{"p.model": {"small"}, "p.count": {"3"}, "p.on": {"0", "1"}, "p.way": {"a"}},
			want:   map[string]any{},
		},
		"Numbers": {
			reason: "a number is a number, and what is none is kept as it was typed",
			form:   url.Values{"p.count": {" 1.5 "}, "p.name": {"7"}},
			want:   map[string]any{"count": 1.5, "name": "7"},
		},
		"NoNumber": {
			reason: "the validator says what is wrong, and the form shows it again",
			form:   url.Values{"p.count": {"many"}},
			want:   map[string]any{"count": "many"},
		},
		"Infinity": {
			reason: "JSON has no infinity",
			form:   url.Values{"p.count": {"Inf"}},
			want:   map[string]any{"count": "Inf"},
		},
		"TickOff": {
			reason: "a tick that is off sends its hidden control only",
			form:   url.Values{"p.on": {"0"}},
			want:   map[string]any{"on": false},
		},
		"Map": {
			reason: "empty rows are dropped, a value without a name is kept to be told about",
			form: url.Values{
				"p.map.0.key": {"a"}, "p.map.0.value": {"1"}, "p.map.1.key": {""}, "p.map.1.value": {""},
				"p.map.2.key": {" b "}, "p.map.2.value": {"2"}, "p.map.3.key": {""}, "p.map.3.value": {"lost?"},
			},
			want: map[string]any{"map": map[string]any{"a": "1", "b": "2", "": "lost?"}},
		},
		"MapEmptied": {
			reason: "a map whose rows are all empty is no setting",
			old:    map[string]any{"map": map[string]any{"a": "1"}},
			form:   url.Values{"p.map.0.key": {""}, "p.map.0.value": {""}},
			want:   map[string]any{},
		},
		"JSON": {
			reason: "JSON is read",
			form:   url.Values{"p.json": {`{"a": [1, "b"]}`}},
			want:   map[string]any{"json": map[string]any{"a": []any{1.0, "b"}}},
		},
		"BrokenJSON": {
			reason: "what is not JSON is kept as it was typed",
			form:   url.Values{"p.json": {`{"a": `}},
			want:   map[string]any{"json": `{"a": `},
		},
		"Lines": {
			reason: "one text per line, none of them empty",
			form:   url.Values{"p.lines": {"a\r\n\r\n b \n"}},
			want:   map[string]any{"lines": []any{"a", "b"}},
		},
		"SecretKept": {
			reason: "a secret is never shown, so an empty control changes nothing",
			old:    map[string]any{"secret": "s"},
			form:   url.Values{"p.secret": {""}},
			want:   map[string]any{"secret": "s"},
		},
		"List": {
			reason: "the empty row at the end makes no entry, and entries keep what has no control",
			old:    map[string]any{"list": []any{map[string]any{"key": "a", "other": true}}},
			form: url.Values{
				"p.list.0.key": {"b"}, "p.list.0.kind": {"y"}, "p.list.0.must": {"0", "1"},
				"p.list.1.key": {""}, "p.list.1.kind": {"x"}, "p.list.1.must": {"0"},
			},
			want: map[string]any{"list": []any{map[string]any{"key": "b", "kind": "y", "must": true, "other": true}}},
		},
		"ListEmptied": {
			reason: "a list without entries is no setting",
			old:    map[string]any{"list": []any{map[string]any{"key": "a"}}},
			form:   url.Values{"p.list.0.key": {""}},
			want:   map[string]any{},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Parse(fields(), "p.", tc.form, tc.old)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

// TestRoundTrip sends back what the controls show: nothing may change.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	params := map[string]any{
		"name": "Ana", "model": "", "text": "a\nb", "count": "many", "on": false, "way": "gone", "secret": "s",
		"map":   map[string]any{"a": "1", "b": "2"},
		"json":  map[string]any{"a": []any{1.0}},
		"lines": []any{"a", "b"},
		"list":  []any{map[string]any{"key": "a", "must": true}, map[string]any{"key": "b", "kind": "y"}},
	}
	form := url.Values{}
	send(form, Controls(fields(), params, "p.", "step.test", func(_, fallback string) string { return fallback }))
	if diff := cmp.Diff(params, Parse(fields(), "p.", form, params)); diff != "" {
		t.Errorf("sending a form back unchanged changes settings: -want +got\n%s", diff)
	}
	for _, values := range form {
		for _, value := range values {
			if value == "s" {
				t.Error("the form shows a secret")
			}
		}
	}
}

// send does what a browser does with controls.
func send(form url.Values, controls []Control) {
	for _, c := range controls {
		switch c.Kind {
		case catalog.FieldBoolean:
			form[c.Name] = []string{"0"}
			if c.Checked {
				form.Add(c.Name, "1")
			}
		case catalog.FieldSelect:
			for _, option := range c.Options {
				if option.Selected {
					form.Set(c.Name, option.Value)
				}
			}
		case catalog.FieldMap, catalog.FieldList:
			for _, row := range c.Rows {
				send(form, row.Controls)
			}
		default:
			form.Set(c.Name, c.Value)
		}
	}
}

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	form := url.Values{}
	for i := range maxRows + 100 {
		form.Set("p.map."+strconv.Itoa(i)+".key", "k"+strconv.Itoa(i))
	}
	entries, _ := Parse(fields(), "p.", form, nil)["map"].(map[string]any)
	if len(entries) != maxRows {
		t.Errorf("a form brings at most %d rows, got %d", maxRows, len(entries))
	}
}

func TestBrokenJSON(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]bool{`{"a": `: true, `[1`: true, `hello`: false, `{{ input }}`: false, 1.0: false, nil: false} {
		if got := BrokenJSON(value); got != want {
			t.Errorf("BrokenJSON(%v) = %v, want %v", value, got, want)
		}
	}
}
