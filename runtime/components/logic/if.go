package logic

import (
	"context"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

// The ports of If.
const (
	portTrue  = "true"
	portFalse = "false"
)

// If sends what comes in one of two ways.
func If() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "if",
			Title:   "If",
			Group:   catalog.GroupLogic,
			Summary: "Goes one way when a condition holds, and another way when it does not.",
			Help: "Write a condition about values of earlier steps, for example `input.total > 100` or `input.country == \"ES\"`. " +
				"Texts stand in quotation marks. Join conditions by `&&` (and) and `||` (or), and put `!` before one to turn it round.\n\n" +
				"What comes in leaves unchanged through “Yes” or through “No”. Steps on the other way are skipped.",
			Inputs: []catalog.Port{{Name: catalog.MainPort, Title: "Value", Type: catalog.Any, Help: "Passed on unchanged."}},
			Outputs: []catalog.Port{
				{Name: portTrue, Title: "Yes", Type: catalog.Any, Help: "The value, when the condition holds."},
				{Name: portFalse, Title: "No", Type: catalog.Any, Help: "The value, when it does not."},
			},
			Fields: []catalog.Field{{
				Name: "condition", Label: "Condition", Type: catalog.FieldCondition, Required: true, MaxLength: 4096,
				Help: "Something that is true or false.", Placeholder: "input.total > 100",
			}},
			Since: "0.1",
			Examples: []catalog.Example{
				{Title: "Large orders", Params: map[string]any{"condition": "input.total > 100"}},
				{Title: "A text that mentions a word", Params: map[string]any{"condition": "input.message.contains(\"refund\")"}},
			},
		},
		Timeout: 5 * time.Second,
		Run:     runIf,
	}
}

func runIf(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
	holds := param.Bool(call.Params, "condition")
	value, delivered := call.Inputs[catalog.MainPort]
	if !delivered {
		value = holds
	}
	if holds {
		return catalog.Outputs{portTrue: value}, nil
	}
	return catalog.Outputs{portFalse: value}, nil
}
