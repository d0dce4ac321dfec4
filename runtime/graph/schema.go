package graph

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/weft-run/weft/api/v1alpha1"
)

// schema says which JSON fits a Go type of the API. It is read off the types,
// so that it cannot drift from them.
type schema struct {
	kind   schemaKind
	fields map[string]*schema
	names  []string // of fields, sorted
	items  *schema
	bits   int // of an integer
}

type schemaKind int

const (
	anyValue schemaKind = iota
	anyObject
	object
	list
	text
	integer
	truth
	duration
	quantity
)

// words says what a value of the kind is, for people.
func (k schemaKind) words() string {
	switch k {
	case anyObject, object:
		return "an object"
	case list:
		return "a list"
	case text:
		return "a text"
	case integer:
		return "a whole number"
	case truth:
		return "true or false"
	case duration:
		return `a duration like "30s" or "5m"`
	case quantity:
		return `an amount like "500m" or "256Mi"`
	}
	return "a value"
}

// flowSchema is the schema of FlowSpec.
var flowSchema = sync.OnceValue(func() *schema { return schemaOf(reflect.TypeFor[v1alpha1.FlowSpec]()) })

func schemaOf(t reflect.Type) *schema {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[metav1.Duration]():
		return &schema{kind: duration}
	case reflect.TypeFor[resource.Quantity]():
		return &schema{kind: quantity}
	case reflect.TypeFor[runtime.RawExtension]():
		return &schema{kind: anyObject}
	case reflect.TypeFor[v1alpha1.Value]():
		return &schema{kind: anyValue}
	}
	switch t.Kind() {
	case reflect.String:
		return &schema{kind: text}
	case reflect.Int32, reflect.Int64:
		return &schema{kind: integer, bits: t.Bits()}
	case reflect.Bool:
		return &schema{kind: truth}
	case reflect.Slice:
		return &schema{kind: list, items: schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	return &schema{kind: anyValue}
}

func structSchema(t reflect.Type) *schema {
	s := &schema{kind: object, fields: map[string]*schema{}}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			s.fields[name] = schemaOf(field.Type)
			s.names = append(s.names, name)
		}
	}
	slices.Sort(s.names)
	return s
}
