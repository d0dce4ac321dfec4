package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind says what is wrong with an expression.
type Kind int

// The kinds of errors.
const (
	// Invalid: it is not an expression, or its parts do not fit together.
	Invalid Kind = iota
	// UnknownName: it reads something that does not exist.
	UnknownName
	// TooLarge: it is too long or too deep, or it makes too much.
	TooLarge
	// Failed: it could not be evaluated on these values.
	Failed
)

// Position in a field: line and column in characters, both from 1.
type Position struct {
	Line   int
	Column int
}

// String returns "line 1, column 5".
func (p Position) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// within returns the position of a place in an expression that starts at p.
// The place counts lines from 1 and columns from 0.
func (p Position) within(line, column int) Position {
	switch {
	case line < 1:
		return p
	case line == 1:
		return Position{p.Line, p.Column + column}
	default:
		return Position{p.Line + line - 1, column + 1}
	}
}

// after returns the position of the end of a text that starts at p.
func (p Position) after(text string) Position {
	if n := strings.Count(text, "\n"); n > 0 {
		last := text[strings.LastIndexByte(text, '\n')+1:]
		return Position{p.Line + n, utf8.RuneCountInString(last) + 1}
	}
	return Position{p.Line, p.Column + utf8.RuneCountInString(text)}
}

// Error is an expression that cannot be compiled, or could not be evaluated.
// Its message holds words of the flow's author, never a value of a run.
type Error struct {
	Kind Kind
	Position
	Message string
}

// Error returns the position and the message.
func (e *Error) Error() string { return e.Position.String() + ": " + e.Message }

func errorAt(kind Kind, at Position, format string, args ...any) *Error {
	return &Error{Kind: kind, Position: at, Message: fmt.Sprintf(format, args...)}
}

// Quote returns a text of the flow's author in quotes, shortened where it is
// long.
func Quote(text string) string {
	const most = 40
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
