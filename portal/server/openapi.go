package server

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// OpenAPI returns the route that describes the others.
func OpenAPI(routes []Route) Route {
	self := Route{
		Method: http.MethodGet, Pattern: "/openapi.json", Access: Public("the description of the interface is no secret"),
		Summary: "This description",
	}
	document := sync.OnceValues(func() ([]byte, error) { return Describe(append(slices.Clone(routes), self)) })
	self.Handler = func(w http.ResponseWriter, _ *http.Request) error {
		data, err := document()
		if err != nil {
			return err
		}
		writeBody(w, http.StatusOK, "application/json; charset=utf-8", data)
		return nil
	}
	return self
}

// Absent returns the route of a module that is not served here: who may call
// is told that it is missing.
func Absent(route Route, module string) Route {
	if route.Access.kind == accessGuarded {
		route.Access = SignedIn()
	}
	route.Handler = func(http.ResponseWriter, *http.Request) error {
		return Unavailable("part of the portal named "+module, nil)
	}
	return route
}

// Describe writes the table as an OpenAPI 3.1 document.
func Describe(routes []Route) ([]byte, error) {
	d := describer{schemas: map[string]any{}}
	paths := map[string]map[string]any{}
	for _, route := range routes {
		at := openPath(route.Pattern)
		if paths[at] == nil {
			paths[at] = map[string]any{}
		}
		paths[at][strings.ToLower(route.Method)] = d.operation(route)
	}
	d.schemas["Error"] = d.object(reflect.TypeFor[errorBody]())
	document := map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "Weft", "version": "v1alpha1", keyDescription: "The portal's HTTP interface. Bodies are JSON or, on the same path, an HTML form; \"success\" is the string \"true\" or \"false\"."},
		"paths":   paths,
		"components": map[string]any{
			"schemas": d.schemas,
			"securitySchemes": map[string]any{
				"bearer":  map[string]any{keyType: "http", "scheme": "bearer", "bearerFormat": "JWE", keyDescription: "The jwt of /login or /signup."},
				"session": map[string]any{keyType: "apiKey", "in": "cookie", "name": "__Host-weft-session", keyDescription: "A browser's session. Writes need the token of the session as well (field csrf_token or header X-CSRF-Token)."},
				"service": map[string]any{keyType: "http", "scheme": "bearer", keyDescription: "A program's own credential."},
			},
		},
	}
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the description of the interface: %w", err)
	}
	return append(data, '\n'), nil
}

// errorBody is the answer to everything that did not go well.
type errorBody struct {
	Success string       `json:"success"`
	Message string       `json:"message"`
	Errors  []FieldError `json:"errors,omitempty"`
}

// Names that OpenAPI uses again and again.
const (
	keyType        = "type"
	keySchema      = "schema"
	keyDescription = "description"
)

var wildcard = regexp.MustCompile(`\{([A-Za-z0-9_]+)(\.\.\.)?\}`)

func openPath(pattern string) string {
	return wildcard.ReplaceAllString(strings.TrimSuffix(pattern, "{$}"), "{$1}")
}

type describer struct {
	schemas map[string]any
}

func (d describer) operation(route Route) map[string]any {
	op := map[string]any{
		"summary":   route.Summary,
		"security":  security(route.Access),
		"responses": d.responses(route),
	}
	var parameters []any
	for _, match := range wildcard.FindAllStringSubmatch(route.Pattern, -1) {
		parameters = append(parameters, map[string]any{"name": match[1], "in": "path", "required": true, keySchema: map[string]any{keyType: "string"}})
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if route.Request != nil && reflect.TypeOf(route.Request).NumField() > 0 {
		schema := d.schema(reflect.TypeOf(route.Request))
		op["requestBody"] = map[string]any{"content": map[string]any{
			"application/json":                  map[string]any{keySchema: schema},
			"application/x-www-form-urlencoded": map[string]any{keySchema: schema},
		}}
	}
	return op
}

func security(a Access) []any {
	switch a.kind {
	case accessPublic:
		return []any{}
	case accessGuarded:
		return []any{map[string]any{"service": []any{}}}
	default:
		return []any{map[string]any{"bearer": []any{}}, map[string]any{"session": []any{}}}
	}
}

func (d describer) responses(route Route) map[string]any {
	good := map[string]any{keyDescription: "Done"}
	if route.Response != nil {
		good["content"] = map[string]any{"application/json": map[string]any{keySchema: d.schema(reflect.TypeOf(route.Response))}}
	}
	problem := map[string]any{"$ref": "#/components/schemas/Error"}
	return map[string]any{
		"200": good,
		"default": map[string]any{
			keyDescription: "It did not work; the message says why and what to do",
			"content": map[string]any{
				"application/json":         map[string]any{keySchema: problem},
				"application/problem+json": map[string]any{keySchema: problem},
			},
		},
	}
}

// schema describes a Go type as encoding/json writes it.
func (d describer) schema(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{keyType: "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{keyType: "string"}
	case t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()):
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.reference(t)
	case reflect.Slice, reflect.Array:
		return map[string]any{keyType: "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return map[string]any{keyType: "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.String:
		return map[string]any{keyType: "string"}
	case reflect.Bool:
		return map[string]any{keyType: "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{keyType: "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{keyType: "integer"}
	default:
		return map[string]any{}
	}
}

// reference describes a struct once, under its name.
func (d describer) reference(t reflect.Type) map[string]any {
	if t.Name() == "" {
		return d.object(t)
	}
	name := path.Base(t.PkgPath()) + "." + t.Name()
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = nil // for a type that holds itself
		d.schemas[name] = d.object(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (d describer) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, field := range reflect.VisibleFields(t) {
		name := jsonName(field)
		if name == "" {
			continue
		}
		properties[name] = d.schema(field.Type)
		if !strings.Contains(field.Tag.Get("json"), "omit") {
			required = append(required, name)
		}
	}
	object := map[string]any{keyType: "object", "properties": properties}
	if required != nil {
		slices.Sort(required)
		object["required"] = required
	}
	return object
}
