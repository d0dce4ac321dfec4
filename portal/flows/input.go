package flows

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// InputField is one thing that a flow is given when it starts.
type InputField struct {
	Name     string
	Label    string
	Type     string
	Required bool
}

// InputFields returns what the flow's start asks for. None means that it takes
// one value of any kind; ok is false where the flow has no start that takes a
// value.
func InputFields(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) (fields []InputField, ok bool) {
	for i := range spec.Components {
		step := &spec.Components[i]
		component, known := cat.Lookup(step.Type)
		if !known || !component.Trigger {
			continue
		}
		params, err := Params(step)
		if err != nil {
			return nil, true
		}
		return inputFields(params), true
	}
	return nil, false
}

// inputFields reads the fields of an input step; other starts have none.
func inputFields(params map[string]any) []InputField {
	list, _ := params["fields"].([]any)
	fields := make([]InputField, 0, len(list))
	for _, item := range list {
		entry, _ := item.(map[string]any)
		text := func(name string) string { value, _ := entry[name].(string); return value }
		if text("name") == "" {
			continue
		}
		required, _ := entry["required"].(bool)
		field := InputField{Name: text("name"), Label: text("label"), Type: text("type"), Required: required}
		if field.Label == "" {
			field.Label = field.Name
		}
		fields = append(fields, field)
	}
	return fields
}

// readInput keeps what was typed into the test pane. Without fields the text is
// the input, as JSON where it is an object or a list.
func readInput(form url.Values, body *Body, cat *catalog.Catalog) error {
	value, brought := formInput(form, &body.Spec, cat)
	if !brought {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keeping a test input: %w", err)
	}
	body.Input = data
	return nil
}

func formInput(form url.Values, spec *v1alpha1.FlowSpec, cat *catalog.Catalog) (any, bool) {
	fields, _ := InputFields(spec, cat)
	values := map[string]any{}
	for _, field := range fields {
		name := FormInput + field.Name
		if form.Has(name) {
			values[field.Name] = inputValue(field.Type, form[name])
		}
	}
	if len(values) > 0 {
		return values, true
	}
	if !form.Has(FormInputText) {
		return nil, false
	}
	return looseValue(form.Get(FormInputText)), true
}

// inputValue converts what HTML sends as text. What does not fit stays text, so
// that the flow's own start says what is wrong with it.
func inputValue(kind string, sent []string) any {
	text := strings.ReplaceAll(sent[len(sent)-1], "\r\n", "\n")
	switch kind {
	case "number", "list", "object":
		var value any
		if json.Unmarshal([]byte(text), &value) == nil && value != nil {
			return value
		}
	case "boolean":
		return text == "1" || text == "on" || text == "true"
	}
	return strings.ReplaceAll(text, "\x00", "")
}

func looseValue(text string) any {
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		var value any
		if json.Unmarshal([]byte(trimmed), &value) == nil {
			return value
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\x00", "")
}
