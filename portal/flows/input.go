package flows

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/start"
)

// Input returns what the flow's start asks for; ok is false where the flow has
// no start that takes a value. Without fields it takes one value of any kind.
func Input(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) (form start.Form, ok bool) {
	for i := range spec.Components {
		step := &spec.Components[i]
		component, known := cat.Lookup(step.Type)
		if !known || !component.Trigger {
			continue
		}
		params, err := Params(step)
		if err != nil || step.Type != start.InputType {
			return start.Form{}, true
		}
		return start.FormOf(params), true
	}
	return start.Form{}, false
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
	asked, _ := Input(spec, cat)
	values := map[string]any{}
	for _, field := range asked.Fields {
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

// inputValue reads a control. A tick that is off sends only the hidden control
// that stands before it. What else HTML sends as text, the start converts.
func inputValue(kind string, sent []string) any {
	text := sent[len(sent)-1]
	if kind == start.TypeBoolean {
		return text == "1"
	}
	return clean(text)
}

// clean turns a browser's line ends into those of everyone else, and drops NUL,
// which no database keeps.
func clean(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\x00", "")
}

func looseValue(text string) any {
	trimmed := strings.TrimSpace(text)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		var value any
		if json.Unmarshal([]byte(trimmed), &value) == nil {
			return value
		}
	}
	return clean(text)
}
