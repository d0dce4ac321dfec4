// Package components is the set of component types that Weft has. Each has a
// file of its own in the folder of its group.
package components

import (
	"fmt"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/ai"
	"github.com/weft-run/weft/runtime/components/connect"
	"github.com/weft-run/weft/runtime/components/end"
	"github.com/weft-run/weft/runtime/components/logic"
	"github.com/weft-run/weft/runtime/components/start"
)

// Catalog returns all component types.
func Catalog() (*catalog.Catalog, error) {
	all, err := catalog.New(
		start.Input(),
		ai.OpenAIChat(),
		ai.PracticeChat(),
		logic.If(),
		logic.SetFields(),
		logic.TextTemplate(),
		connect.HTTPRequest(),
		end.Output(),
	)
	if err != nil {
		return nil, fmt.Errorf("assembling the catalogue: %w", err)
	}
	return all, nil
}
