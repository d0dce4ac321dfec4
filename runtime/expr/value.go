package expr

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Text returns the value as text: a text as it is, nothing for null, a number
// without trailing zeros, a message's content, and JSON for other objects and
// for lists.
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return Number(v)
	case map[string]any:
		if content, ok := messageContent(v); ok {
			return content
		}
	}
	return JSON(value)
}

// messageContent returns the content of a message: an object of just a role
// and a content.
func messageContent(v map[string]any) (string, bool) {
	if _, ok := v["role"].(string); !ok || len(v) != 2 {
		return "", false
	}
	content, ok := v["content"].(string)
	return content, ok
}

// Number returns the shortest text of a number, as JavaScript writes it.
func Number(f float64) string {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strings.Replace(strconv.FormatFloat(f, 'e', -1, 64), "e-0", "e-", 1)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// JSON returns the value as JSON, in one line, with < > and & as they are. The
// keys of objects are sorted.
func JSON(value any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// List returns the value as a list: itself if it is one, otherwise a list of
// it alone.
func List(value any) []any {
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}
