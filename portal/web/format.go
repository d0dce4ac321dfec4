package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// date writes a moment as people of the language do.
func (l *language) date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	if l.code == "es" {
		return t.Format("02/01/2006 15:04") + " UTC"
	}
	return t.Format("2006-01-02 15:04") + " UTC"
}

// duration writes milliseconds in the unit that fits.
func duration(ms float64) string {
	switch {
	case ms < 1:
		return "<1 ms"
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

// maxShown bounds a value that a page shows, in bytes.
const maxShown = 20_000

// show writes a value for people: a text as it is, anything else as JSON.
func show(value any) string {
	text, ok := value.(string)
	if !ok {
		data, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return ""
		}
		text = string(data)
	}
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// showPorts writes what came into or out of a step. A single main value stands
// for itself.
func showPorts(ports map[string]any, main string) string {
	if len(ports) == 0 {
		return ""
	}
	if value, ok := ports[main]; ok && (len(ports) == 1 || main == mainPort) {
		return show(value)
	}
	return show(ports)
}
