package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const maxJSONDepth = 100

// Validator is implemented by requests that check their own fields.
type Validator interface {
	// Validate returns what is wrong, and may tidy the fields.
	Validate() []FieldError
}

// Bind reads a request's body, JSON or an HTML form alike, into a T. It is
// strict: an unknown, duplicate or wrongly spelled field, a value of another
// type or anything after the end is a 400, another content type a 415. Fields
// go by their json tags; those tagged `weft:"secret"` are never shown again.
func Bind[T any](r *http.Request) (T, error) {
	var into T
	var err error
	switch {
	case isForm(r):
		err = bindForm(r, reflect.ValueOf(&into).Elem())
	case isJSON(r):
		err = bindJSON(r, &into)
	case r.ContentLength == 0 && r.Header.Get("Content-Type") == "":
	default:
		return into, &Error{Status: http.StatusUnsupportedMediaType, Message: "Send application/json or a form (application/x-www-form-urlencoded)."}
	}
	if err != nil {
		return into, err
	}
	if v, ok := any(&into).(Validator); ok {
		if problems := v.Validate(); len(problems) > 0 {
			return into, Invalid(problems...)
		}
	}
	return into, nil
}

func mediaType(r *http.Request) string {
	values := r.Header.Values("Content-Type")
	if len(values) != 1 {
		return ""
	}
	kind, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return ""
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return kind
}

func isForm(r *http.Request) bool {
	return r.Method != http.MethodGet && mediaType(r) == "application/x-www-form-urlencoded"
}

func isJSON(r *http.Request) bool { return mediaType(r) == "application/json" }

func bindJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	if len(body) == 0 { // clients that name a type and send nothing, for requests without fields
		return nil
	}
	return DecodeJSON(body, into)
}

func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &Error{Status: http.StatusBadRequest, Message: "The request's body could not be read.", Cause: err}
}

// DecodeJSON reads exactly one JSON value, as strictly as Bind does.
func DecodeJSON(body []byte, into any) error {
	if !utf8.Valid(body) {
		return malformed("The body is not valid UTF-8.", nil)
	}
	scan := json.NewDecoder(bytes.NewReader(body))
	scan.UseNumber()
	if err := checkValue(scan, reflect.TypeOf(into).Elem(), "", 0); err != nil {
		return err
	}
	if _, err := scan.Token(); !errors.Is(err, io.EOF) {
		return malformed("There is something after the end of the JSON value.", nil)
	}
	if err := json.Unmarshal(body, into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return Invalid(FieldError{Field: wrong.Field, Code: CodeInvalid, Message: fmt.Sprintf("Field %q must not be a %s.", wrong.Field, wrong.Value)})
		}
		return malformed("The body is not valid JSON.", err)
	}
	return nil
}

func malformed(message string, cause error) *Error {
	return &Error{Status: http.StatusBadRequest, Message: message, Cause: cause}
}

// checkValue walks one JSON value and compares the keys of its objects with the
// type that it will be decoded into. encoding/json takes the last of several
// equal keys, and any capitalisation; we take neither.
func checkValue(scan *json.Decoder, into reflect.Type, path string, depth int) error {
	if depth > maxJSONDepth {
		return malformed("The JSON value is nested too deeply.", nil)
	}
	token, err := scan.Token()
	if err != nil {
		return malformed("The body is not valid JSON.", err)
	}
	switch token {
	case json.Delim('{'):
		return checkObject(scan, into, path, depth)
	case json.Delim('['):
		return checkArray(scan, into, path, depth)
	}
	return nil
}

func checkObject(scan *json.Decoder, into reflect.Type, path string, depth int) error {
	fields, closed := fieldsOf(into)
	seen := map[string]bool{}
	for scan.More() {
		token, err := scan.Token()
		if err != nil {
			return malformed("The body is not valid JSON.", err)
		}
		key, _ := token.(string)
		name := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			return Invalid(FieldError{Field: printable(name), Code: CodeDuplicate, Message: "A field is there twice."})
		}
		seen[key] = true
		inner, known := fields[key]
		if closed && !known {
			return Invalid(FieldError{Field: printable(name), Code: CodeUnknown, Message: "There is a field that is not known here."})
		}
		if !closed {
			inner = elemOf(into)
		}
		if err := checkValue(scan, inner, name, depth+1); err != nil {
			return err
		}
	}
	return closing(scan)
}

func checkArray(scan *json.Decoder, into reflect.Type, path string, depth int) error {
	for i := 0; scan.More(); i++ {
		if err := checkValue(scan, elemOf(into), path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	return closing(scan)
}

func closing(scan *json.Decoder) error {
	if _, err := scan.Token(); err != nil {
		return malformed("The body is not valid JSON.", err)
	}
	return nil
}

// printable bounds a field's name that a caller made up.
func printable(name string) string {
	if len(name) > 100 {
		return "…"
	}
	return name
}

// fieldsOf returns the fields of a struct type by JSON name. Other types, and
// those that decode themselves, are open: any key may stand there.
func fieldsOf(t reflect.Type) (map[string]reflect.Type, bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil, false
	}
	fields := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(t) {
		if name := jsonName(field); name != "" {
			fields[name] = field.Type
		}
	}
	return fields, true
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if !field.IsExported() || field.Anonymous || name == "-" {
		return ""
	}
	if name == "" {
		return field.Name
	}
	return name
}

func elemOf(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem()
	default:
		return nil
	}
}

// Form returns the fields of a form, without the token: for pages whose fields
// are not known before.
func Form(r *http.Request) (url.Values, error) {
	if !isForm(r) {
		return nil, &Error{Status: http.StatusUnsupportedMediaType, Message: "Send a form (application/x-www-form-urlencoded)."}
	}
	if err := r.ParseForm(); err != nil {
		return nil, bodyError(err)
	}
	form := url.Values{}
	for name, values := range r.PostForm {
		if name != CSRFField {
			form[name] = values
		}
	}
	return form, nil
}

// bindForm fills a struct of texts, numbers, booleans and lists of texts.
func bindForm(r *http.Request, into reflect.Value) error {
	form, err := Form(r)
	if err != nil {
		return err
	}
	if into.Kind() != reflect.Struct {
		return &Error{Status: http.StatusUnsupportedMediaType, Message: "Send application/json here."}
	}
	known := map[string]reflect.Value{}
	for _, field := range reflect.VisibleFields(into.Type()) {
		if name := jsonName(field); name != "" {
			known[name] = into.FieldByIndex(field.Index)
		}
	}
	for _, name := range sortedKeys(form) {
		target, ok := known[name]
		if !ok {
			return Invalid(FieldError{Field: printable(name), Code: CodeUnknown, Message: "There is a field that is not known here."})
		}
		if err := setField(target, name, form[name]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(form url.Values) []string {
	keys := make([]string, 0, len(form))
	for key := range form {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func setField(target reflect.Value, name string, values []string) error {
	for _, value := range values {
		if !utf8.ValidString(value) {
			return Invalid(FieldError{Field: name, Code: CodeInvalid, Message: "A field is not valid UTF-8."})
		}
	}
	if target.Kind() == reflect.Slice && target.Type().Elem().Kind() == reflect.String {
		target.Set(reflect.ValueOf(values).Convert(target.Type()))
		return nil
	}
	if len(values) != 1 {
		return Invalid(FieldError{Field: name, Code: CodeDuplicate, Message: "A field is there twice."})
	}
	return setScalar(target, name, values[0])
}

func setScalar(target reflect.Value, name, value string) error {
	var err error
	switch target.Kind() {
	case reflect.String:
		target.SetString(value)
	case reflect.Bool:
		var b bool
		b, err = parseBox(value)
		target.SetBool(b)
	case reflect.Int, reflect.Int64, reflect.Int32:
		var n int64
		n, err = strconv.ParseInt(value, 10, target.Type().Bits())
		target.SetInt(n)
	default:
		err = errors.New("not a field of a form")
	}
	if err != nil {
		return Invalid(FieldError{Field: name, Code: CodeInvalid, Message: "A field has a value of the wrong kind."})
	}
	return nil
}

// parseBox reads a check box, which browsers send as "on".
func parseBox(value string) (bool, error) {
	if value == "on" {
		return true, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, errors.New("neither on nor off")
	}
	return on, nil
}

// shownAgain is the form without its secrets, for rendering it once more.
func shownAgain(r *http.Request, route Route) url.Values {
	form, err := Form(r)
	if err != nil {
		return url.Values{}
	}
	if route.Request == nil {
		return form
	}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(route.Request)) {
		if field.Tag.Get("weft") == "secret" {
			form.Del(jsonName(field))
		}
	}
	return form
}
