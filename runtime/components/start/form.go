package start

import (
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

// Kind says what an input component takes.
type Kind string

// The kinds.
const (
	// KindFields takes an object with the declared fields, or any value where
	// none is declared.
	KindFields Kind = "fields"
	// KindChat takes a message.
	KindChat Kind = "chat"
)

// The types of form fields.
const (
	TypeText     = "text"
	TypeLongText = "longText"
	TypeNumber   = "number"
	TypeBoolean  = "boolean"
	TypeDate     = "date"
	TypeEmail    = "email"
	TypeURL      = "url"
	TypeSelect   = "select"
)

// MessageField is the name under which a chat's message may be sent.
const MessageField = "message"

// Form is what an input component asks for.
type Form struct {
	Kind   Kind
	Fields []FormField
}

// FormField is one field of a form.
type FormField struct {
	Name     string
	Label    string
	Help     string
	Type     string
	Required bool
	Default  string
	Options  []string
}

// FormOf reads the form out of the params of an input component.
func FormOf(p catalog.Params) Form {
	form := Form{Kind: KindFields}
	if param.Text(p, "kind") == string(KindChat) {
		form.Kind = KindChat
		return form
	}
	for _, item := range param.List(p, "fields") {
		form.Fields = append(form.Fields, formField(item))
	}
	return form
}

func formField(p catalog.Params) FormField {
	field := FormField{
		Name:     param.Text(p, "name"),
		Label:    param.Text(p, "label"),
		Help:     param.Text(p, "help"),
		Type:     param.Text(p, "type"),
		Required: param.Bool(p, "required"),
		Default:  param.Text(p, "default"),
	}
	if field.Label == "" {
		field.Label = field.Name
	}
	if field.Type == "" {
		field.Type = TypeText
	}
	options, _ := p["options"].([]any)
	for _, option := range options {
		if text, ok := option.(string); ok {
			field.Options = append(field.Options, text)
		}
	}
	return field
}

// Read checks what a caller sent and returns it in the form that the flow
// works with. Texts are converted where the field is of another type, as forms
// in a browser send nothing else.
func (f Form) Read(input any) (any, error) {
	switch {
	case f.Kind == KindChat:
		return readMessage(input)
	case len(f.Fields) == 0:
		return input, nil
	}
	values, err := f.object(input)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(f.Fields))
	for _, field := range f.Fields {
		value, err := field.read(values[field.Name])
		if err != nil {
			return nil, err
		}
		out[field.Name] = value
	}
	return out, nil
}

// object returns the sent values by field. A form with a single field also
// takes the bare value.
func (f Form) object(input any) (map[string]any, error) {
	switch values := input.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		for name := range values {
			if !f.has(name) {
				return nil, invalid("The input has a field that this flow does not know. Its fields are: %s.", f.names())
			}
		}
		return values, nil
	}
	if len(f.Fields) == 1 {
		return map[string]any{f.Fields[0].Name: input}, nil
	}
	return nil, invalid("The input must be an object with the fields: %s.", f.names())
}

func (f Form) has(name string) bool {
	for _, field := range f.Fields {
		if field.Name == name {
			return true
		}
	}
	return false
}

func (f Form) names() string {
	names := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		names[i] = field.Name
	}
	return strings.Join(names, ", ")
}

func (f FormField) read(value any) (any, error) {
	if value == nil || value == "" {
		if f.Default == "" {
			return f.absent()
		}
		value = f.Default
	}
	switch f.Type {
	case TypeNumber:
		return f.number(value)
	case TypeBoolean:
		return f.boolean(value)
	}
	text, ok := value.(string)
	if !ok {
		return nil, invalid("“%s” must be a text.", f.Label)
	}
	if err := f.checkText(text); err != nil {
		return nil, err
	}
	return text, nil
}

// absent is the value of a field that nothing was sent for. A box that is not
// ticked is not sent: it means no.
func (f FormField) absent() (any, error) {
	switch {
	case f.Type == TypeBoolean && !f.Required:
		return false, nil
	case f.Required:
		return nil, invalid("“%s” is missing.", f.Label)
	case f.Type == TypeNumber:
		return nil, nil
	}
	return "", nil
}

func (f FormField) number(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		return v, nil
	case string:
		number, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err == nil && !math.IsInf(number, 0) && !math.IsNaN(number) {
			return number, nil
		}
	}
	return nil, invalid("“%s” must be a number, for example 12.5.", f.Label)
}

func (f FormField) boolean(value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "on", "yes", "1":
			return true, nil
		case "false", "off", "no", "0":
			return false, nil
		}
	}
	return nil, invalid("“%s” must be true or false.", f.Label)
}

func (f FormField) checkText(text string) error {
	switch f.Type {
	case TypeDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return invalid("“%s” must be a date such as 2026-01-31.", f.Label)
		}
	case TypeEmail:
		if address, err := mail.ParseAddress(text); err != nil || address.Address != text {
			return invalid("“%s” must be an e-mail address such as name@example.com.", f.Label)
		}
	case TypeURL:
		if u, err := url.Parse(text); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return invalid("“%s” must be an address such as https://example.com.", f.Label)
		}
	case TypeSelect:
		if !slices.Contains(f.Options, text) {
			return invalid("“%s” must be one of: %s.", f.Label, strings.Join(f.Options, ", "))
		}
	}
	return nil
}

// readMessage takes a text, or an object with a message.
func readMessage(input any) (any, error) {
	if values, ok := input.(map[string]any); ok && len(values) == 1 {
		input = values[MessageField]
	}
	text, ok := input.(string)
	if !ok || strings.TrimSpace(text) == "" {
		return nil, invalid("The input must be a message: a text, or an object with the field %s.", MessageField)
	}
	return text, nil
}

func invalid(format string, args ...any) error {
	return &catalog.Error{Code: v1alpha1.ErrorInvalidInput, Message: fmt.Sprintf(format, args...)}
}
