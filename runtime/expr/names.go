package expr

import (
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Step is a component as expressions see it.
type Step struct {
	ID   string
	Name string
	// Ports are the names of its outputs, the main one first.
	Ports []string
}

// Scope says what names in the expressions of a flow mean.
type Scope struct {
	steps []Step
	byID  map[string]int
	// byName holds the steps that have an identifier; where several have the
	// same, it means none of them.
	byName map[string][]int
	// suggestions counts the words that were looked for among all names: where
	// nothing is spelt right, that would take long.
	suggestions atomic.Int32
	// programs counts the expressions that needed CEL.
	programs atomic.Int32
}

// maxSuggestions is how many misspelt words of a flow get a suggestion.
const maxSuggestions = 50

// NewScope returns the scope of a flow's steps. Of steps with the same id, the
// first counts.
func NewScope(steps []Step) *Scope {
	s := &Scope{
		steps:  steps,
		byID:   make(map[string]int, len(steps)),
		byName: make(map[string][]int, len(steps)),
	}
	for i, step := range steps {
		if _, ok := s.byID[step.ID]; ok {
			continue
		}
		s.byID[step.ID] = i
		if name := Identifier(step.Name); name != "" {
			s.byName[name] = append(s.byName[name], i)
		}
	}
	return s
}

// Identifier returns the name by which expressions read a component: accents
// are dropped, every run of characters other than A-Z, a-z and 0-9 becomes one
// underscore, none at the ends; a name that starts with a digit gets an
// underscore in front, and a reserved word one at its end. It is empty where
// the name holds no such letter or digit: then only step["id"] reads it.
func Identifier(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range decompose(name) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		default:
			gap = true
		}
	}
	ident := b.String()
	if ident != "" && ident[0] >= '0' && ident[0] <= '9' {
		ident = "_" + ident
	}
	if reserved(ident) {
		ident += "_"
	}
	return ident
}

func decompose(name string) string {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return norm.NFD.String(name)
		}
	}
	return name
}

// reserved says whether the identifier has a meaning of its own.
func reserved(ident string) bool {
	switch ident {
	case "input", "item", "index", "now", "flow", "step", "ports":
		return true
	case "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
		"import", "let", "loop", "package", "namespace", "return", "var", "void", "while":
		return true
	}
	return typeName(ident)
}

// typeName says whether CEL knows the identifier as a type.
func typeName(ident string) bool {
	switch ident {
	case "bool", "int", "uint", "double", "string", "bytes", "list", "map", "type", "null_type", "google":
		return true
	}
	return false
}

// keyword says whether the word cannot follow a dot.
func keyword(word string) bool {
	return word == "in" || word == "true" || word == "false" || word == "null"
}

// lookup returns the step that a name means.
func (s *Scope) lookup(name string, at Position) (int, *Error) {
	steps := s.byName[name]
	switch len(steps) {
	case 1:
		return steps[0], nil
	case 0:
		return 0, s.unknown(name, at)
	}
	return 0, errorAt(UnknownName, at,
		"%d steps are called %s; give one of them another name, or write step[%q] or step[%q]",
		len(steps), Quote(name), s.steps[steps[0]].ID, s.steps[steps[1]].ID)
}

func (s *Scope) unknown(name string, at Position) *Error {
	if name == "item" || name == "index" {
		return errorAt(UnknownName, at, "%s has a value inside of a for-each only", name)
	}
	if near := s.nearestName(name); near != "" {
		return errorAt(UnknownName, at, "nothing is called %s; did you mean %s?", Quote(name), near)
	}
	return errorAt(UnknownName, at,
		"nothing is called %s; write input, the name of an earlier step, or a text in quotes", Quote(name))
}

func (s *Scope) nearestName(name string) string {
	if s.suggestions.Add(1) > maxSuggestions {
		return ""
	}
	names := []string{"input", "now", "flow", "step", "ports"}
	for n := range s.byName {
		names = append(names, n)
	}
	slices.Sort(names)
	return Nearest(name, names)
}

// step returns the step with the id.
func (s *Scope) step(id string, at Position) (int, *Error) {
	if i, ok := s.byID[id]; ok {
		return i, nil
	}
	if near := s.nearestID(id); near != "" {
		return 0, errorAt(UnknownName, at, "no step has the id %s; did you mean %q?", Quote(id), near)
	}
	return 0, errorAt(UnknownName, at, "no step has the id %s", Quote(id))
}

func (s *Scope) nearestID(id string) string {
	if s.suggestions.Add(1) > maxSuggestions {
		return ""
	}
	ids := make([]string, len(s.steps))
	for i := range s.steps {
		ids[i] = s.steps[i].ID
	}
	return Nearest(id, ids)
}

// port checks that the step has an output of that name.
func (s *Scope) port(step int, port string, at Position) (string, *Error) {
	ports := s.steps[step].Ports
	if slices.Contains(ports, port) {
		return port, nil
	}
	if len(ports) == 0 {
		return "", errorAt(UnknownName, at, "the step %q has no outputs", s.steps[step].ID)
	}
	return "", errorAt(UnknownName, at, "the step %q has no output %s; it has %s",
		s.steps[step].ID, Quote(port), strings.Join(ports, ", "))
}
