package stepform

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/weft-run/weft/runtime/catalog"
)

// maxRows bounds the rows of one map or list that a form may bring.
const maxRows = 500

// Parse returns the settings with what the form brought for these fields.
// Settings that the form has no control for stay as they were, and those equal
// to their default are left out.
func Parse(fields []catalog.Field, prefix string, form url.Values, old map[string]any) map[string]any {
	params := make(map[string]any, len(old))
	maps.Copy(params, old)
	for i := range fields {
		field := &fields[i]
		value, brought := parseField(field, prefix+field.Name, form, old[field.Name])
		switch {
		case !brought:
		case value == nil || reflect.DeepEqual(value, field.Default):
			delete(params, field.Name)
		default:
			params[field.Name] = value
		}
	}
	return params
}

// parseField returns the field's value; nil means that it is empty. The second
// result says whether the form had its control.
func parseField(field *catalog.Field, name string, form url.Values, old any) (any, bool) {
	switch field.Type {
	case catalog.FieldMap:
		return parseMap(name, form)
	case catalog.FieldList:
		return parseList(field, name, form, old)
	case catalog.FieldBoolean:
		return parseBoolean(name, form)
	}
	if !form.Has(name) {
		return nil, false
	}
	text := normal(form.Get(name))
	if field.Secret && text == "" {
		return nil, false
	}
	return parseText(field, text), true
}

func parseText(field *catalog.Field, text string) any {
	switch field.Type {
	case catalog.FieldNumber:
		return parseNumber(text)
	case catalog.FieldJSON:
		return parseJSON(text)
	case catalog.FieldStringList:
		return parseLines(text)
	}
	if text == "" && (field.Default == nil || field.Default == "") {
		return nil
	}
	return text
}

// normal turns the line ends that browsers send into those of everyone else,
// and drops NUL, which no database keeps.
func normal(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ReplaceAll(text, "\x00", "")
}

func parseNumber(text string) any {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil
	}
	number, err := strconv.ParseFloat(trimmed, 64)
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return text
	}
	return number
}

// parseJSON keeps a text that is not JSON as the text that it is.
func parseJSON(text string) any {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return text
	}
	return value
}

// BrokenJSON says whether a setting holds a text that was meant to be a JSON
// object or list and is not.
func BrokenJSON(value any) bool {
	text, ok := value.(string)
	if !ok {
		return false
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{{") {
		return false
	}
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

func parseLines(text string) any {
	var items []any
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			items = append(items, line)
		}
	}
	if items == nil {
		return nil
	}
	return items
}

// parseBoolean reads a tick. A form sends nothing for a tick that is off, so a
// hidden control of the same name with the value "0" stands beside it.
func parseBoolean(name string, form url.Values) (any, bool) {
	values := form[name]
	if len(values) == 0 {
		return nil, false
	}
	return values[len(values)-1] == "1", true
}

func parseMap(name string, form url.Values) (any, bool) {
	entries := map[string]any{}
	brought := false
	for i := range maxRows {
		row := name + "." + strconv.Itoa(i)
		if !form.Has(row + ".key") {
			break
		}
		brought = true
		key := strings.TrimSpace(normal(form.Get(row + ".key")))
		value := normal(form.Get(row + ".value"))
		if key == "" && value == "" {
			continue
		}
		entries[key] = value
	}
	if len(entries) == 0 {
		return nil, brought
	}
	return entries, brought
}

func parseList(field *catalog.Field, name string, form url.Values, old any) (any, bool) {
	before, _ := old.([]any)
	var items []any
	brought := false
	for i := range maxRows {
		prefix := name + "." + strconv.Itoa(i) + "."
		if !anyControl(field.Items, prefix, form) {
			break
		}
		brought = true
		var was map[string]any
		if i < len(before) {
			was, _ = before[i].(map[string]any)
		}
		if blank(field.Items, prefix, form) {
			continue
		}
		items = append(items, Parse(field.Items, prefix, form, was))
	}
	if items == nil {
		return nil, brought
	}
	return items, brought
}

func anyControl(fields []catalog.Field, prefix string, form url.Values) bool {
	for i := range fields {
		if form.Has(prefix + fields[i].Name) {
			return true
		}
	}
	return false
}

// blank says whether nothing was typed into a row. Ticks and choices alone do
// not make a row.
func blank(fields []catalog.Field, prefix string, form url.Values) bool {
	for i := range fields {
		switch fields[i].Type {
		case catalog.FieldBoolean, catalog.FieldSelect:
			continue
		}
		if strings.TrimSpace(form.Get(prefix+fields[i].Name)) != "" {
			return false
		}
	}
	return true
}
