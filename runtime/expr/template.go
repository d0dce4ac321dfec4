package expr

import (
	"context"
	"strings"
	"time"
)

// InputStep stands in references for the input of the run.
const InputStep = -1

// Vars are the values that the names in expressions have in one run.
type Vars interface {
	// Input of the run, as it left the component at which the run started.
	Input() any
	// Value of an output of a step, and whether it came.
	Value(step int, port string) (any, bool)
	// Now is the time at which the run started.
	Now() time.Time
	// Flow has title, name and workspace.
	Flow() map[string]any
}

// Ref is an output of a step that an expression reads, or the run's input.
type Ref struct {
	Step int
	Port string
	At   Position
}

// Template is a text with expressions in it.
type Template struct {
	segments []segment
}

// segment is a piece of text as it is, or an expression.
type segment struct {
	text string
	expr *Expression
}

// Template compiles a text. Every {{ … }} in it is an expression; to write
// braces as they are, write {{ "{{" }}. All errors of the text are returned.
func (s *Scope) Template(text string) (*Template, []*Error) {
	t := new(Template)
	var errs []*Error
	at := Position{1, 1}
	for count := 0; ; count++ {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			t.segments = append(t.segments, segment{text: before})
		}
		if !found {
			return t, errs
		}
		at = at.after(before)
		if count == MaxSegments {
			return nil, append(errs, errorAt(TooLarge, at, "there are more than %d expressions in this text; split it", MaxSegments))
		}
		end := closing(rest)
		if end < 0 {
			return nil, append(errs, errorAt(Invalid, at, `{{ has no matching }}, or a quote in it is not closed; to write braces as they are, write {{ "{{" }}`))
		}
		inner := Position{at.Line, at.Column + len("{{")}
		e, err := s.compile(rest[:end], inner)
		errs = append(errs, err...)
		t.segments = append(t.segments, segment{expr: e})
		at = inner.after(rest[:end+len("}}")])
		text = rest[end+len("}}"):]
	}
}

// closing returns where the }} of an expression stands: outside of quotes and
// comments, and of braces that the expression itself opened. It is -1 where
// there is none.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"' || c == '\'':
			i = afterString(text, i)
			continue
		case c == '/' && strings.HasPrefix(text[i:], "//"):
			i = afterLine(text, i)
			continue
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case strings.HasPrefix(text[i:], "}}"):
			return i
		}
		i++
	}
	return -1
}

// afterString returns the place behind the string literal that starts at i. A
// literal that does not end takes the rest of its line, or of the text.
func afterString(text string, i int) int {
	quote, raw := text[i:i+1], isRaw(text, i)
	triple := strings.Repeat(quote, 3)
	if strings.HasPrefix(text[i:], triple) {
		if n := endOfString(text[i+3:], triple, raw, true); n >= 0 {
			return i + 3 + n + 3
		}
		return len(text)
	}
	if n := endOfString(text[i+1:], quote, raw, false); n >= 0 {
		return i + 1 + n + 1
	}
	return afterLine(text, i)
}

func endOfString(text, quote string, raw, lines bool) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && !raw:
			i++
		case !lines && (text[i] == '\n' || text[i] == '\r'):
			return -1
		case strings.HasPrefix(text[i:], quote):
			return i
		}
	}
	return -1
}

// isRaw says whether the quote at i starts a raw literal: r"…", br"…".
func isRaw(text string, i int) bool {
	if i == 0 || text[i-1] != 'r' && text[i-1] != 'R' {
		return false
	}
	if i >= 2 && (text[i-2] == 'b' || text[i-2] == 'B') {
		i--
	}
	return i < 2 || !identifierByte(text[i-2])
}

func afterLine(text string, i int) int {
	if n := strings.IndexAny(text[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(text)
}

// Static returns the text of a template without expressions.
func (t *Template) Static() (string, bool) {
	switch {
	case len(t.segments) == 0:
		return "", true
	case len(t.segments) == 1 && t.segments[0].expr == nil:
		return t.segments[0].text, true
	}
	return "", false
}

// Refs returns what the template reads.
func (t *Template) Refs() []Ref {
	var refs []Ref
	for i := range t.segments {
		if e := t.segments[i].expr; e != nil {
			refs = append(refs, e.Refs()...)
		}
	}
	return refs
}

// Value evaluates the template. One that is nothing but an expression gives
// that expression's value with its type, any other gives text. A text longer
// than most bytes is an error.
func (t *Template) Value(ctx context.Context, vars Vars, most int64) (any, *Error) {
	if len(t.segments) == 1 && t.segments[0].expr != nil {
		return t.segments[0].expr.Value(ctx, vars)
	}
	return t.Text(ctx, vars, most)
}

// Text evaluates the template to a text of at most so many bytes.
func (t *Template) Text(ctx context.Context, vars Vars, most int64) (string, *Error) {
	if len(t.segments) == 1 && t.segments[0].expr == nil {
		return t.segments[0].text, nil
	}
	var b strings.Builder
	for i := range t.segments {
		text := t.segments[i].text
		if e := t.segments[i].expr; e != nil {
			value, err := e.Value(ctx, vars)
			if err != nil {
				return "", err
			}
			text = Text(value)
		}
		if int64(b.Len())+int64(len(text)) > most {
			return "", errorAt(TooLarge, Position{1, 1}, "the text becomes longer than %d bytes", most)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}
