package expr

import (
	"encoding/base64"
	"errors"
	"math"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var (
	errTooBig    = errors.New(errTooMuch)
	errNotAValue = errors.New("the result is not a value of JSON")
	errNotANum   = errors.New("the result is not a number that can be written down; is something divided by zero?")
)

// toJSON returns a CEL value as a JSON value. Times become RFC 3339, bytes
// base64, durations seconds as in "1.5s".
func toJSON(v ref.Val) (any, error) {
	if !scalar(v) && !native(v) && elements(v) > MaxElements {
		return nil, errTooBig
	}
	budget := MaxResult
	return convert(v, MaxValueDepth, &budget)
}

// native says whether a list or object came out of JSON as it is.
func native(v ref.Val) bool {
	switch v := v.(type) {
	case traits.Lister:
		return listSize(v) > 0 && isType[[]any](v.Value())
	case traits.Mapper:
		return isType[map[string]any](v.Value())
	}
	return false
}

func isType[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

func convert(v ref.Val, depth int, budget *int) (any, error) {
	if *budget--; depth == 0 || *budget < 0 {
		return nil, errTooBig
	}
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		return string(v), nil
	case types.Int:
		return float64(v), nil
	case types.Uint:
		return float64(v), nil
	case types.Double:
		return finite(float64(v))
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case types.Timestamp:
		return v.Time.UTC().Format(time.RFC3339Nano), nil
	case types.Duration:
		return Number(v.Seconds()) + "s", nil
	case traits.Mapper:
		return convertMap(v, depth, budget)
	case traits.Lister:
		return convertList(v, depth, budget)
	}
	return nil, errNotAValue
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errNotANum
	}
	return f, nil
}

// convertList leaves a list alone that came out of JSON as it is.
func convertList(list traits.Lister, depth int, budget *int) (any, error) {
	if native, ok := list.Value().([]any); ok {
		return native, nil
	}
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, err := convert(it.Next(), depth-1, budget)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

func convertMap(m traits.Mapper, depth int, budget *int) (any, error) {
	if native, ok := m.Value().(map[string]any); ok {
		return native, nil
	}
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, err := convert(key, depth-1, budget)
		if err != nil {
			return nil, err
		}
		value, err := convert(m.Get(key), depth-1, budget)
		if err != nil {
			return nil, err
		}
		out[Text(name)] = value
	}
	return out, nil
}
