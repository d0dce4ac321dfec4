package status

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weft-run/weft/runtime/graph"
)

// maxMessage bounds the message of a condition, in bytes. The API's own bound
// is 32 KiB; a person reads less.
const maxMessage = 4096

// maxQuote bounds what is quoted from elsewhere inside of a message.
const maxQuote = 512

// bounded cuts a text to at most limit bytes, at the end of a character.
func bounded(text string, limit int) string {
	text = strings.ToValidUTF8(strings.TrimSpace(text), "?")
	if len(text) <= limit {
		return text
	}
	const ellipsis = "…"
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}

// problems lists every problem of a flow, as far as they fit, and the number of
// those that do not.
func problems(list []graph.Problem) string {
	var out strings.Builder
	for i, p := range list {
		text := problem(p)
		rest := fmt.Sprintf("; and %d more", len(list)-i)
		if out.Len()+len(text)+len(rest)+2 > maxMessage && i > 0 {
			out.WriteString(rest)
			break
		}
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(text)
	}
	return out.String()
}

func problem(p graph.Problem) string {
	message := bounded(p.Message, maxQuote)
	switch {
	case p.Component != "" && p.Field != "":
		return fmt.Sprintf("component %s, field %s: %s", p.Component, bounded(p.Field, maxQuote), message)
	case p.Component != "":
		return fmt.Sprintf("component %s: %s", p.Component, message)
	case p.Field != "":
		return fmt.Sprintf("field %s: %s", bounded(p.Field, maxQuote), message)
	default:
		return message
	}
}
