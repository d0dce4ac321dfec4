// Package stepform turns the settings of a step into the controls of an HTML
// form, and a posted form back into settings. What was typed is always kept,
// valid or not: the one validator says what is wrong with it.
package stepform

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-run/weft/runtime/catalog"
)

// Words gives the text for a key of the message catalogue, or the fallback.
type Words func(key, fallback string) string

// Control is one control of a form.
type Control struct {
	// Name in the form.
	Name string
	// Field is the path of the setting within the step's params.
	Field string
	// Kind of control.
	Kind        catalog.FieldType
	Label       string
	Help        string
	Placeholder string
	// Value of a text control.
	Value string
	// Checked says whether a yes-or-no control is on.
	Checked bool
	Options []Option
	// Rows of a map or list; the last one is empty, for one more.
	Rows []Row
	// Template: text with values of earlier steps in it.
	Template bool
	Required bool
	Advanced bool
	Secret   bool
	// Kept: a secret has a value that is not shown.
	Kept      bool
	MaxLength int
	// ShownIf is the name of the control on which this one depends, ShownFor
	// the values with which it counts.
	ShownIf  string
	ShownFor []string
}

// Option of a select control.
type Option struct {
	Value    string
	Label    string
	Selected bool
}

// Row of a map or list control.
type Row struct{ Controls []Control }

// Controls returns the controls for the settings, with their present values.
// Names begin with prefix; wordKey begins the keys of labels and helps.
func Controls(fields []catalog.Field, params map[string]any, prefix, wordKey string, words Words) []Control {
	b := builder{words: words}
	return b.controls(fields, params, prefix, "", wordKey)
}

type builder struct{ words Words }

func (b builder) controls(fields []catalog.Field, params map[string]any, prefix, path, wordKey string) []Control {
	out := make([]Control, 0, len(fields))
	for i := range fields {
		field := &fields[i]
		c := b.control(field, prefix, path, wordKey+"."+field.Name)
		value, given := params[field.Name]
		if !given {
			value = field.Default
		}
		b.fill(&c, field, value, wordKey+"."+field.Name)
		out = append(out, c)
	}
	return out
}

func (b builder) control(field *catalog.Field, prefix, path, wordKey string) Control {
	c := Control{
		Name:        prefix + field.Name,
		Field:       path + field.Name,
		Kind:        field.Type,
		Label:       b.words(wordKey+".label", field.Label),
		Help:        b.words(wordKey+".help", field.Help),
		Placeholder: field.Placeholder,
		Template:    field.Template,
		Required:    field.Required,
		Advanced:    field.Advanced,
		Secret:      field.Secret,
		MaxLength:   field.MaxLength,
	}
	if field.ShownIf != nil {
		c.ShownIf, c.ShownFor = prefix+field.ShownIf.Field, field.ShownIf.Values
	}
	return c
}

func (b builder) fill(c *Control, field *catalog.Field, value any, wordKey string) {
	switch field.Type {
	case catalog.FieldBoolean:
		c.Checked, _ = value.(bool)
	case catalog.FieldSelect:
		b.fillOptions(c, field, Text(value), wordKey)
	case catalog.FieldMap:
		c.Rows = b.mapRows(c, value)
	case catalog.FieldList:
		c.Rows = b.listRows(c, field, value, wordKey)
	case catalog.FieldStringList:
		c.Value = lines(value)
	default:
		if field.Secret {
			c.Kept = Text(value) != ""
			return
		}
		c.Value = Text(value)
	}
}

func (b builder) fillOptions(c *Control, field *catalog.Field, value, wordKey string) {
	known := false
	for _, option := range field.Options {
		selected := option.Value == value
		known = known || selected
		label := b.words(wordKey+".option."+option.Value, option.Label)
		c.Options = append(c.Options, Option{Value: option.Value, Label: label, Selected: selected})
	}
	if !known {
		c.Options = append([]Option{{Value: value, Label: value, Selected: true}}, c.Options...)
	}
}

func (b builder) mapRows(c *Control, value any) []Row {
	entries, _ := value.(map[string]any)
	var rows []Row
	add := func(key, text string) {
		prefix := c.Name + "." + strconv.Itoa(len(rows))
		rows = append(rows, Row{Controls: []Control{
			{Name: prefix + ".key", Kind: catalog.FieldString, Value: key, Label: b.words("form.map-key", "Name")},
			{
				Name: prefix + ".value", Field: c.Field + "." + key, Kind: catalog.FieldString, Value: text,
				Label: b.words("form.map-value", "Value"), Template: c.Template,
			},
		}})
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		add(key, Text(entries[key]))
	}
	add("", "")
	return rows
}

func (b builder) listRows(c *Control, field *catalog.Field, value any, wordKey string) []Row {
	items, _ := value.([]any)
	rows := make([]Row, 0, len(items)+1)
	for i, item := range append(slices.Clone(items), nil) {
		params, _ := item.(map[string]any)
		index := strconv.Itoa(i)
		path := c.Field + "[" + index + "]."
		rows = append(rows, Row{Controls: b.controls(field.Items, params, c.Name+"."+index+".", path, wordKey)})
	}
	for i := range rows[len(rows)-1].Controls {
		rows[len(rows)-1].Controls[i].Required = false
	}
	return rows
}

// Text returns a value as it stands in a text control.
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	default:
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return ""
		}
		return string(text)
	}
}

func lines(value any) string {
	items, ok := value.([]any)
	if !ok {
		return Text(value)
	}
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = Text(item)
	}
	return strings.Join(texts, "\n")
}
