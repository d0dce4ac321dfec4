package server

import (
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// maxJSONDepth is how deep a body may nest.
const maxJSONDepth = 64

var (
	errNotJSON   = errors.New("the body is not valid JSON")
	errTooDeep   = errors.New("the body nests too deep")
	errDuplicate = errors.New("the body holds a name twice in one object")
)

// decodeJSON reads one JSON value. encoding/json alone would take the last of
// two equal names, where another parser before us may have looked at the
// first; it would also accept broken UTF-8.
func decodeJSON(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errNotJSON
	}
	if err := checkNames(data); err != nil {
		return err
	}
	if json.Unmarshal(data, into) != nil {
		return errNotJSON
	}
	return nil
}

// checkNames looks for names that are there twice, and for depth. It takes what
// is no JSON at all as it comes: the decoder refuses that.
func checkNames(data []byte) error {
	var stack []names
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(stack) == maxJSONDepth {
				return errTooDeep
			}
			stack = append(stack, names{object: data[i] == '{', expected: true})
		case '}', ']':
			if len(stack) == 0 {
				return errNotJSON
			}
			stack = stack[:len(stack)-1]
		case ',':
			if len(stack) > 0 {
				stack[len(stack)-1].expected = true
			}
		case '"':
			end := stringEnd(data, i)
			if end < 0 {
				return errNotJSON
			}
			if len(stack) > 0 {
				if err := stack[len(stack)-1].take(data[i : end+1]); err != nil {
					return err
				}
			}
			i = end
		}
	}
	return nil
}

// names of an object that were seen so far.
type names struct {
	object bool
	// expected: the next string is a name.
	expected bool
	few      []string
	many     map[string]bool
}

// manyNames is from how many names on a map is faster than a list.
const manyNames = 16

func (n *names) take(quoted []byte) error {
	if !n.object || !n.expected {
		return nil
	}
	n.expected = false
	name, err := unquote(quoted)
	if err != nil {
		return err
	}
	if n.has(name) {
		return errDuplicate
	}
	if len(n.few) < manyNames {
		n.few = append(n.few, name)
		return nil
	}
	if n.many == nil {
		n.many = map[string]bool{}
	}
	n.many[name] = true
	return nil
}

func (n *names) has(name string) bool {
	return slices.Contains(n.few, name) || n.many[name]
}

// stringEnd is the index of the quotation mark that ends the string at start.
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unquote resolves escapes, so that "a" and "\u0061" are one name.
func unquote(quoted []byte) (string, error) {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' {
			var name string
			if json.Unmarshal(quoted, &name) != nil {
				return "", errNotJSON
			}
			return name, nil
		}
	}
	return string(inner), nil
}
