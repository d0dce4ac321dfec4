package expr

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Expression is a compiled expression. It is immutable and used by many runs
// at once.
type Expression struct {
	refs []Ref
	// input is where the run's input is read, if it is.
	input *Ref
	// path is what the expression is, unless it needs CEL: then program is.
	path    *path
	program *program
}

// Compile compiles an expression. Each error has its position.
func (s *Scope) Compile(source string) (*Expression, []*Error) {
	return s.compile(source, Position{1, 1})
}

// Condition compiles an expression that must yield true or false. It may stand
// in {{ }}.
func (s *Scope) Condition(source string) (*Expression, []*Error) {
	at := Position{1, 1}
	trimmed := strings.TrimSpace(source)
	if inner, ok := strings.CutPrefix(trimmed, "{{"); ok && closing(inner) == len(inner)-2 {
		before, _, _ := strings.Cut(source, "{{")
		at = at.after(before + "{{")
		source = inner[:len(inner)-2]
	}
	e, errs := s.compile(source, at)
	if len(errs) == 0 && e.program != nil && !e.program.mayBeBool() {
		errs = append(errs, errorAt(Invalid, at, "a condition must be true or false, for example input.total > 100"))
	}
	return e, errs
}

func (s *Scope) compile(source string, at Position) (*Expression, []*Error) {
	trimmed := strings.TrimSpace(source)
	switch {
	case trimmed == "":
		return nil, []*Error{errorAt(Invalid, at, "there is no expression; write one, for example input")}
	case len(trimmed) > MaxExpression:
		return nil, []*Error{errorAt(TooLarge, at, "the expression is longer than %d bytes; do it in several steps", MaxExpression)}
	case !utf8.ValidString(trimmed):
		return nil, []*Error{errorAt(Invalid, at, "the expression is not valid UTF-8")}
	}
	at = at.after(source[:len(source)-len(strings.TrimLeftFunc(source, unicode.IsSpace))])
	if e, ok := s.path(trimmed, at); ok {
		return e, nil
	}
	if s.programs.Add(1) > MaxPrograms {
		return nil, []*Error{errorAt(TooLarge, at, "the flow computes more than %d expressions; split it into several flows", MaxPrograms)}
	}
	return s.program(trimmed, at)
}

// Refs returns what the expression reads.
func (e *Expression) Refs() []Ref {
	if e.input != nil {
		return append(slices.Clip(e.refs), *e.input)
	}
	return e.refs
}

// Value evaluates the expression to a JSON value.
func (e *Expression) Value(ctx context.Context, vars Vars) (any, *Error) {
	if e.path != nil {
		return e.path.value(vars)
	}
	return e.program.value(ctx, vars, e.refs)
}

// Bool evaluates a condition.
func (e *Expression) Bool(ctx context.Context, vars Vars) (bool, *Error) {
	value, err := e.Value(ctx, vars)
	if err != nil {
		return false, err
	}
	b, ok := value.(bool)
	if !ok {
		return false, errorAt(Failed, Position{1, 1}, "the condition must be true or false, but it is %s; compare it with something", describe(value))
	}
	return b, nil
}

// describe names the type of a value in plain words.
func describe(value any) string {
	switch value.(type) {
	case nil:
		return "empty"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "something else"
}
