package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/components/start"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// pageTemplate is parsed when the first page is asked for: most flows have
// none.
var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Parse(pageSource)
})

// page is the form of a flow for people, in plain HTML.
type page struct {
	title       string
	description string
	form        start.Form
}

func newPage(spec *v1alpha1.FlowSpec, name string, form start.Form) *page {
	p := &page{title: spec.Title, description: spec.Description, form: form}
	if p.title == "" {
		p.title = name
	}
	return p
}

// pageData is what the template shows.
type pageData struct {
	Title, Description string
	Style              template.CSS
	Fields             []pageField
	Answered           bool
	Problem            string
	Result             string
	Rows               []pageRow
}

type pageField struct {
	start.FormField
	Value string
}

type pageRow struct{ Name, Value string }

// formFields are the controls to show: for a flow that takes any value, or a
// message, one for text.
func (p *page) formFields(input any) []pageField {
	fields := p.form.Fields
	switch {
	case p.form.Kind == start.KindChat:
		fields = []start.FormField{{Name: start.MessageField, Label: "Your message", Type: start.TypeLongText, Required: true}}
	case len(fields) == 0:
		fields = []start.FormField{{Name: inputKey, Label: "Your input", Type: start.TypeLongText}}
	}
	values, _ := input.(map[string]any)
	out := make([]pageField, len(fields))
	for i, field := range fields {
		out[i] = pageField{FormField: field, Value: field.Default}
		if text, ok := values[field.Name].(string); ok {
			out[i].Value = text
		}
	}
	if text, ok := input.(string); ok && len(out) == 1 {
		out[0].Value = text
	}
	return out
}

// show writes the empty form.
func (p *page) show(w http.ResponseWriter) {
	p.write(w, http.StatusOK, pageData{Fields: p.formFields(nil)})
}

// showProblem writes the form with what was entered, and what is wrong.
func (p *page) showProblem(w http.ResponseWriter, f *failure, input any) {
	f.writeHeaders(w)
	p.write(w, f.status, pageData{Fields: p.formFields(input), Problem: f.Message})
}

// showResult writes the result above the form.
func (p *page) showResult(w http.ResponseWriter, result, input any) {
	data := pageData{Fields: p.formFields(input), Answered: true}
	if object, ok := result.(map[string]any); ok {
		for _, name := range sortedNames(object) {
			data.Rows = append(data.Rows, pageRow{Name: name, Value: asText(object[name])})
		}
	} else {
		data.Result = asText(result)
	}
	p.write(w, http.StatusOK, data)
}

func (p *page) write(w http.ResponseWriter, status int, data pageData) {
	tmpl, err := pageTemplate()
	if err != nil {
		replyFailure(w, refuse(http.StatusInternalServerError, v1alpha1.ErrorInternal, "The page cannot be shown."))
		return
	}
	data.Title, data.Description = p.title, p.description
	data.Style = template.CSS(pageStyle) //nolint:gosec // our own file
	var buf bytes.Buffer
	if err := tmpl.Execute(&buf, data); err != nil {
		replyFailure(w, refuse(http.StatusInternalServerError, v1alpha1.ErrorInternal, "The page cannot be shown."))
		return
	}
	w.Header().Set("Content-Security-Policy", pagePolicy())
	w.Header().Set("Cache-Control", "no-store")
	reply(w, status, "text/html; charset=utf-8", buf.Bytes())
}

// pagePolicy allows the page's own style, and forms to itself. No script runs,
// and no other site may show the page inside of its own.
var pagePolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
})

// asText shows a value to a person.
func asText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return "This result cannot be shown."
	}
	return string(bytes.TrimRight(buf.Bytes(), "\n"))
}
