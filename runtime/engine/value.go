package engine

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

var (
	errValueTooLarge = errors.New("the value is too large")
	errValueTooDeep  = errors.New("the value nests too deep")
	errNotANumber    = errors.New("the value holds a number that is none")
	errNotJSON       = errors.New("the value is not one of JSON")
)

// measure returns roughly how many bytes a JSON value takes. It is an error if
// the value takes more than most, nests too deep, or is not a JSON value.
func measure(value any, most int64) (int64, error) {
	left, err := take(value, most, expr.MaxValueDepth)
	return most - left, err
}

// take subtracts the size of a value from what is left.
func take(value any, left int64, depth int) (int64, error) {
	const perValue = 16
	left -= perValue
	if left < 0 {
		return 0, errValueTooLarge
	}
	switch v := value.(type) {
	case nil, bool:
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, errNotANumber
		}
	case string:
		left -= int64(len(v))
	case []any:
		return takeList(v, left, depth-1)
	case map[string]any:
		return takeObject(v, left, depth-1)
	default:
		return 0, errNotJSON
	}
	if left < 0 {
		return 0, errValueTooLarge
	}
	return left, nil
}

func takeList(list []any, left int64, depth int) (int64, error) {
	if depth < 0 {
		return 0, errValueTooDeep
	}
	var err error
	for _, item := range list {
		if left, err = take(item, left, depth); err != nil {
			return 0, err
		}
	}
	return left, nil
}

func takeObject(object map[string]any, left int64, depth int) (int64, error) {
	if depth < 0 {
		return 0, errValueTooDeep
	}
	var err error
	for key, item := range object {
		if left, err = take(item, left-int64(len(key)), depth); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// normalize makes a JSON value of what a component gave: ints become numbers,
// structs objects.
func normalize(value any) (any, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, errNotJSON
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, errNotJSON
	}
	return out, nil
}

// convert makes a value fit a port: anything becomes a text or a list where
// the port takes those.
func convert(value any, to catalog.PortType) any {
	switch to {
	case catalog.Text:
		if _, ok := value.(string); !ok {
			return expr.Text(value)
		}
	case catalog.List:
		return expr.List(value)
	}
	return value
}

// previewBytes is how much of a value an event shows.
const previewBytes = 64 << 10

// preview returns the values as they are, or shortened where they are large.
func preview(values map[string]any) map[string]any {
	if len(values) == 0 {
		return nil
	}
	if _, err := measure(values, previewBytes); err == nil {
		return values
	}
	left := previewBytes
	short, _ := shorten(values, &left, expr.MaxValueDepth).(map[string]any)
	return short
}

// shorten copies a value until nothing is left of the budget.
func shorten(value any, left *int, depth int) any {
	const perValue = 16
	*left -= perValue
	if *left < 0 || depth == 0 {
		return "…"
	}
	switch v := value.(type) {
	case string:
		return shortText(v, left)
	case []any:
		out := []any{}
		for _, item := range v {
			if *left < 0 {
				return append(out, "…")
			}
			out = append(out, shorten(item, left, depth-1))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if *left < 0 {
				out["…"] = "…"
				return out
			}
			*left -= len(key)
			out[key] = shorten(v[key], left, depth-1)
		}
		return out
	}
	return value
}

func shortText(text string, left *int) string {
	if len(text) <= *left {
		*left -= len(text)
		return text
	}
	end := max(*left, 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	*left = -1
	return text[:end] + "…"
}
