package logic

import (
	"context"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

// TextTemplate fills values into a text.
func TextTemplate() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "text-template",
			Title:   "Text",
			Group:   catalog.GroupLogic,
			Summary: "Writes a text with values of earlier steps filled in.",
			Help: "Write the text as it should read, and put a value where it belongs: `Dear {{ input.name }}, thank you for your order.` " +
				"Between the double braces stands the name of an earlier step, or `input` for what the flow was started with, and after a dot the field.\n\n" +
				"Values are filled in as they are. What a customer writes is never read as an instruction to this step.",
			Inputs:  []catalog.Port{{Name: catalog.MainPort, Title: "Value", Type: catalog.Any, Help: "Makes this step wait for an earlier one."}},
			Outputs: []catalog.Port{{Name: catalog.MainPort, Title: "Text", Type: catalog.Text, Help: "The text with the values in it."}},
			Fields: []catalog.Field{{
				Name: "text", Label: "Text", Type: catalog.FieldText, Template: true, Required: true,
				Help: "Put values between double braces.", Placeholder: "Dear {{ input.name }}, …",
			}},
			Since: "0.1",
			Examples: []catalog.Example{
				{Title: "A greeting", Params: map[string]any{"text": "Hello {{ input.name }}, welcome to our shop!"}},
				{Title: "A sum", Params: map[string]any{"text": "Total: {{ input.price * input.quantity }} EUR"}},
			},
		},
		Timeout: 5 * time.Second,
		Run:     runTextTemplate,
	}
}

func runTextTemplate(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
	return catalog.Main(param.Text(call.Params, "text")), nil
}
