// Package end holds the component types at which a run ends.
package end

import (
	"context"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
)

// Output is the component whose input is the run's result.
func Output() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "output",
			Title:   "Output",
			Group:   catalog.GroupEnd,
			Summary: "Gives the result of the flow to whoever asked for it.",
			Help: "Connect the step whose result people should get. A flow that has an Input and an Output gets an address of its own when you save it.\n\n" +
				"A flow may have several outputs. The result is then an object with one field per output, named after the step.",
			Inputs:   []catalog.Port{{Name: catalog.MainPort, Title: "Result", Type: catalog.Any, Help: "What the caller of the flow gets."}},
			Outputs:  []catalog.Port{{Name: catalog.MainPort, Title: "Result", Type: catalog.Any, Help: "The same value."}},
			Terminal: true,
			Since:    "0.1",
			Examples: []catalog.Example{{Title: "Give back what comes in", Params: map[string]any{}}},
		},
		Timeout: 5 * time.Second,
		Run:     runOutput,
	}
}

func runOutput(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
	return catalog.Main(call.Inputs[catalog.MainPort]), nil
}
