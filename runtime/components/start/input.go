package start

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

// InputType is the name of the component type Input.
const InputType = "input"

const maxFormFields = 50

// Input is the component at which people and programs start a flow.
func Input() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    InputType,
			Title:   "Input",
			Group:   catalog.GroupStart,
			Summary: "Takes what a person or a program sends to the flow.",
			Help: "Add a field for each thing that you want to ask for, and say what kind of value it is. Later steps use a field as `{{ input.name }}`. " +
				"The fields become a form in the browser and are checked on every call.\n\n" +
				"Without fields, the flow takes any value as it comes, and later steps use it as `{{ input }}`. Choose “Chat” for a flow that answers messages.",
			Outputs: []catalog.Port{{Name: catalog.MainPort, Title: "Input", Type: catalog.Any, Help: "The values by field, or the message."}},
			Fields:  inputFields(),
			Trigger: true,
			Since:   "0.1",
			Examples: []catalog.Example{
				{Title: "Anything", Params: map[string]any{}},
				{Title: "A contact form", Params: map[string]any{"fields": []any{
					map[string]any{"name": "email", "label": "Your e-mail", "type": TypeEmail, "required": true},
					map[string]any{"name": "question", "label": "Your question", "type": TypeLongText, "required": true},
				}}},
				{Title: "A chat", Params: map[string]any{"kind": string(KindChat)}},
			},
		},
		Timeout:  5 * time.Second,
		Validate: validateInput,
		Run:      runInput,
	}
}

func inputFields() []catalog.Field {
	return []catalog.Field{
		{
			Name: "kind", Label: "What comes in", Type: catalog.FieldSelect, Default: string(KindFields),
			Help:    "Fields make a form; a chat takes one message at a time.",
			Options: []catalog.Option{{Value: string(KindFields), Label: "Fields"}, {Value: string(KindChat), Label: "Chat"}},
		},
		{
			Name: "fields", Label: "Fields", Type: catalog.FieldList, Items: formFieldFields(), Max: param.Bound(maxFormFields),
			Help:    "Without fields, any value is taken.",
			ShownIf: &catalog.Condition{Field: "kind", Values: []string{string(KindFields)}},
		},
	}
}

func formFieldFields() []catalog.Field {
	return []catalog.Field{
		{Name: "name", Label: "Name", Type: catalog.FieldString, Required: true, MaxLength: 63, Placeholder: "email", Help: "Letters, digits and _; used in {{ input.name }}."},
		{Name: "label", Label: "Label", Type: catalog.FieldString, MaxLength: 200, Placeholder: "Your e-mail", Help: "What people read beside the field."},
		{
			Name: "type", Label: "Kind", Type: catalog.FieldSelect, Default: TypeText, Help: "What may be entered.",
			Options: []catalog.Option{
				{Value: TypeText, Label: "Text"}, {Value: TypeLongText, Label: "Long text"}, {Value: TypeNumber, Label: "Number"},
				{Value: TypeBoolean, Label: "Yes or no"}, {Value: TypeDate, Label: "Date"}, {Value: TypeEmail, Label: "E-mail"},
				{Value: TypeURL, Label: "Web address"}, {Value: TypeSelect, Label: "One of several"},
			},
		},
		{Name: "required", Label: "Must be filled in", Type: catalog.FieldBoolean, Default: false, Help: "Calls without it are refused."},
		{Name: "default", Label: "Value if empty", Type: catalog.FieldString, MaxLength: 2000, Help: "Used where nothing is entered."},
		{Name: "help", Label: "Help", Type: catalog.FieldString, MaxLength: 500, Help: "A sentence below the field."},
		{
			Name: "options", Label: "Choices", Type: catalog.FieldStringList, Max: param.Bound(100), Help: "One per line.",
			ShownIf: &catalog.Condition{Field: "type", Values: []string{TypeSelect}},
		},
	}
}

func validateInput(p catalog.Params) []catalog.FieldProblem {
	var problems []catalog.FieldProblem
	identifier := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	seen := map[string]bool{}
	for i, field := range FormOf(p).Fields {
		add := func(name, message string) {
			problems = append(problems, catalog.FieldProblem{Field: fmt.Sprintf("fields[%d].%s", i, name), Message: message})
		}
		switch {
		case field.Name == "":
			// The catalogue's own check says that it is required.
		case !identifier.MatchString(field.Name):
			add("name", "must begin with a letter and hold only letters, digits and _")
		case seen[field.Name]:
			add("name", "another field has this name already")
		}
		seen[field.Name] = true
		if field.Type == TypeSelect && len(field.Options) == 0 {
			add("options", "give at least one choice")
		}
		if field.Default != "" {
			if _, err := field.read(field.Default); err != nil {
				add("default", "does not fit the kind of the field")
			}
		}
	}
	return problems
}

func runInput(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
	value, err := FormOf(call.Params).Read(call.Run.Input)
	if err != nil {
		return nil, err
	}
	return catalog.Main(value), nil
}
