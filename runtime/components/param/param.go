// Package param reads a component's params. The engine hands them over checked
// and evaluated; what is absent or of another type reads as the zero value.
package param

import "github.com/weft-run/weft/runtime/catalog"

// Text returns a text.
func Text(p catalog.Params, name string) string {
	text, _ := p[name].(string)
	return text
}

// Bool returns a yes or no.
func Bool(p catalog.Params, name string) bool {
	yes, _ := p[name].(bool)
	return yes
}

// Int returns a number without its fraction.
func Int(p catalog.Params, name string) int {
	number, _ := p[name].(float64)
	return int(number)
}

// Number returns a number, or nil.
func Number(p catalog.Params, name string) *float64 {
	number, ok := p[name].(float64)
	if !ok {
		return nil
	}
	return &number
}

// Map returns names and values.
func Map(p catalog.Params, name string) map[string]any {
	values, _ := p[name].(map[string]any)
	return values
}

// List returns objects.
func List(p catalog.Params, name string) []map[string]any {
	items, _ := p[name].([]any)
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			out = append(out, object)
		}
	}
	return out
}

// Bound returns a pointer for the Min or Max of a field.
func Bound(n float64) *float64 { return new(n) }
