// Package scrub removes a secret from what a service answered. A service that
// repeats the key that it was given, in an error or in an answer, must not make
// it part of a run's result.
package scrub

import (
	"strings"

	"github.com/weft-run/weft/runtime/catalog"
)

// minLength of a secret that is removed. Shorter ones occur by chance, and
// removing them would tell more than it hides.
const minLength = 6

const replacement = "[secret]"

// Text returns the text without the secret.
func Text(text string, secret catalog.Secret) string {
	value := secret.Reveal()
	if len(value) < minLength {
		return text
	}
	return strings.ReplaceAll(text, value, replacement)
}

// Value returns the JSON value without the secret: in its texts and in the
// names of its fields. Maps and lists are changed in place.
func Value(value any, secret catalog.Secret) any {
	if len(secret.Reveal()) < minLength {
		return value
	}
	switch v := value.(type) {
	case string:
		return Text(v, secret)
	case []any:
		for i := range v {
			v[i] = Value(v[i], secret)
		}
	case map[string]any:
		object(v, secret)
	}
	return value
}

func object(v map[string]any, secret catalog.Secret) {
	for name, item := range v {
		clean := Text(name, secret)
		if clean != name {
			delete(v, name)
		}
		v[clean] = Value(item, secret)
	}
}

// Stream removes a secret from a text that comes in pieces, also where the
// secret is spread over several. It holds back no more than what may be the
// beginning of the secret.
type Stream struct {
	secret string
	emit   func(string)
	held   string
}

// NewStream returns a Stream that hands clean pieces to emit.
func NewStream(secret catalog.Secret, emit func(string)) *Stream {
	value := secret.Reveal()
	if len(value) < minLength {
		value = ""
	}
	return &Stream{secret: value, emit: emit}
}

// Write takes the next piece.
func (s *Stream) Write(piece string) {
	if s.secret == "" {
		s.send(piece)
		return
	}
	text := strings.ReplaceAll(s.held+piece, s.secret, replacement)
	keep := overlap(text, s.secret)
	s.held = text[len(text)-keep:]
	s.send(text[:len(text)-keep])
}

// Close hands over what was held back.
func (s *Stream) Close() {
	s.send(s.held)
	s.held = ""
}

func (s *Stream) send(text string) {
	if text != "" {
		s.emit(text)
	}
}

// overlap is the length of the longest end of text that begins the secret.
func overlap(text, secret string) int {
	for n := min(len(text), len(secret)-1); n > 0; n-- {
		if strings.HasSuffix(text, secret[:n]) {
			return n
		}
	}
	return 0
}
