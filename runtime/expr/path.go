package expr

import (
	"strconv"
	"strings"
)

// path is an expression that only follows fields and items from one root. It
// gives what CEL gives for the same expression.
type path struct {
	// root is a step's output, unless input is true.
	input bool
	ref   Ref
	parts []part
}

// part is one field, or one item of a list.
type part struct {
	field string
	index int
	item  bool
	at    Position
}

// path reads a simple path. It is not ok where the expression is anything else
// or has an error: then CEL has to look at it.
func (s *Scope) path(source string, at Position) (*Expression, bool) {
	root := leadingIdentifier(source)
	parts, ok := readParts(source[len(root):], Position{at.Line, at.Column + len(root)})
	if root == "" || !ok {
		return nil, false
	}
	if root == "input" {
		return &Expression{path: &path{input: true, parts: parts}, input: &Ref{Step: InputStep, At: at}}, true
	}
	ref, parts, ok := s.pathRoot(root, parts, at)
	if !ok {
		return nil, false
	}
	return &Expression{path: &path{ref: ref, parts: parts}, refs: []Ref{ref}}, true
}

// pathRoot finds the step that a path starts at, and what is left of the path.
func (s *Scope) pathRoot(root string, parts []part, at Position) (Ref, []part, bool) {
	switch {
	case root == "step" && len(parts) >= 1 && !parts[0].item:
		step, ok := s.byID[parts[0].field]
		return s.main(step, at), parts[1:], ok && len(s.steps[step].Ports) > 0
	case root == "ports" && len(parts) >= 2 && !parts[0].item && !parts[1].item:
		step, ok := s.byID[parts[0].field]
		if !ok {
			return Ref{}, nil, false
		}
		port, err := s.port(step, parts[1].field, at)
		return Ref{Step: step, Port: port, At: at}, parts[2:], err == nil
	case reserved(root):
		return Ref{}, nil, false
	}
	steps := s.byName[root]
	if len(steps) != 1 || len(s.steps[steps[0]].Ports) == 0 {
		return Ref{}, nil, false
	}
	return s.main(steps[0], at), parts, true
}

// main refers to the main output of a step.
func (s *Scope) main(step int, at Position) Ref {
	if ports := s.steps[step].Ports; len(ports) > 0 {
		return Ref{Step: step, Port: ports[0], At: at}
	}
	return Ref{Step: step, At: at}
}

// readParts reads .field, ["field"], ['field'] and [0], as often as they come.
func readParts(text string, at Position) ([]part, bool) {
	var parts []part
	for text != "" {
		p, length, ok := readPart(text)
		if !ok || len(parts) == MaxDepth {
			return nil, false
		}
		p.at = at
		parts = append(parts, p)
		at = at.after(text[:length])
		text = text[length:]
	}
	return parts, true
}

func readPart(text string) (part, int, bool) {
	if text[0] == '.' {
		field := leadingIdentifier(text[1:])
		return part{field: field}, 1 + len(field), field != "" && !keyword(field)
	}
	end := strings.IndexByte(text, ']')
	if text[0] != '[' || end < 2 {
		return part{}, 0, false
	}
	inner := text[1:end]
	if field, ok := simpleString(inner); ok {
		return part{field: field}, end + 1, true
	}
	index, ok := simpleIndex(inner)
	return part{index: index, item: true}, end + 1, ok
}

// simpleString reads a string literal of one line without escapes.
func simpleString(text string) (string, bool) {
	if len(text) < 2 || text[0] != '"' && text[0] != '\'' || text[len(text)-1] != text[0] {
		return "", false
	}
	inner := text[1 : len(text)-1]
	return inner, inner != "" && !strings.ContainsAny(inner, "\\\"'\r\n")
}

// simpleIndex reads a decimal number that every platform can hold.
func simpleIndex(text string) (int, bool) {
	if len(text) > 9 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	index, err := strconv.Atoi(text)
	return index, err == nil
}

func leadingIdentifier(text string) string {
	i := 0
	for i < len(text) && identifierByte(text[i]) {
		i++
	}
	if i > 0 && text[0] >= '0' && text[0] <= '9' {
		return ""
	}
	return text[:i]
}

func identifierByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *path) value(vars Vars) (any, *Error) {
	var value any
	if p.input {
		value = vars.Input()
	} else {
		value, _ = vars.Value(p.ref.Step, p.ref.Port)
	}
	for i := range p.parts {
		next, ok := p.parts[i].of(value)
		if !ok {
			return nil, p.parts[i].missing()
		}
		value = next
	}
	return value, nil
}

func (p *part) of(value any) (any, bool) {
	if p.item {
		list, ok := value.([]any)
		if !ok || p.index >= len(list) {
			return nil, false
		}
		return list[p.index], true
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	field, ok := object[p.field]
	return field, ok
}

func (p *part) missing() *Error {
	if p.item {
		return noItem(p.index, p.at)
	}
	return noField(p.field, p.at)
}

func noField(field string, at Position) *Error {
	return errorAt(Failed, at, "there is no field %s here; has(…) tells whether there is", Quote(field))
}

func noItem(index int, at Position) *Error {
	return errorAt(Failed, at, "there is no item %d here; size(…) tells how many there are", index)
}
