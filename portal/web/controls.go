package web

import (
	"fmt"
	"strings"

	"github.com/weft-run/weft/portal/flows/stepform"
	"github.com/weft-run/weft/runtime/catalog"
)

// control is a control of a form as a template shows it.
type control struct {
	stepform.Control
	// ID in the page.
	ID    string
	Error string
	// Hints are expressions that may be used in the text.
	Hints []string
	// Entries are the rows of a map or list.
	Entries [][]control
	words   messages
}

// ShownForText is the list of values with which the control counts.
func (c control) ShownForText() string { return strings.Join(c.ShownFor, " ") }

// EntryTitle names an entry of a list: by its first text, or as the empty one
// that is there for one more.
func (c control) EntryTitle(i int) string {
	if i == len(c.Entries)-1 {
		return c.words.text("form.add-entry")
	}
	for _, inner := range c.Entries[i] {
		if inner.Value != "" && inner.Kind != catalog.FieldSelect {
			return inner.Value
		}
	}
	return c.words.text("form.entry", i+1)
}

// EntryOpen says whether an entry shows its controls: the empty one where it is
// the first, and those with something wrong.
func (c control) EntryOpen(i int) bool {
	if len(c.Entries) == 1 {
		return false
	}
	for _, inner := range c.Entries[i] {
		if inner.Error != "" {
			return true
		}
	}
	return false
}

// decorate makes template controls of form controls. Errors go by field.
func (l *language) decorate(controls []stepform.Control, errors map[string]string, hints []string) []control {
	out := make([]control, len(controls))
	for i, c := range controls {
		d := control{Control: c, ID: htmlID(c.Name), Error: errors[c.Field], words: l.words}
		if c.Template || c.Kind == catalog.FieldCondition {
			d.Hints = hints
		}
		if c.Kind == catalog.FieldMap {
			d.Error = firstError(c, errors)
		}
		if c.Kept {
			d.Placeholder = l.words.text("form.kept")
		}
		for _, row := range c.Rows {
			d.Entries = append(d.Entries, l.decorate(row.Controls, errors, nil))
		}
		out[i] = d
	}
	return out
}

// firstError finds what is wrong with a map or with an entry of it.
func firstError(c stepform.Control, errors map[string]string) string {
	if text := errors[c.Field]; text != "" {
		return text
	}
	for _, row := range c.Rows {
		for _, inner := range row.Controls {
			if text := errors[inner.Field]; inner.Field != "" && text != "" {
				return fmt.Sprintf("%s: %s", strings.TrimPrefix(inner.Field, c.Field+"."), text)
			}
		}
	}
	return ""
}

// htmlID makes an id that style sheets and scripts can name without escapes.
func htmlID(name string) string {
	return strings.NewReplacer(".", "-", "[", "-", "]", "-").Replace(name)
}
