package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/expr"
)

// Bounds of a flow's JSON.
const (
	// MaxBytes is the length of a flow as JSON.
	MaxBytes = 1 << 20
	// MaxDepth is how deep its JSON may nest.
	MaxDepth = 64
)

// Decode reads a flow from JSON. It refuses unknown fields, duplicate keys,
// values of the wrong type, text that is not UTF-8, and what is too large or
// too deep; every such problem is reported, unless the JSON itself is broken.
// The flow is nil where there are problems.
func Decode(data []byte) (*v1alpha1.FlowSpec, []Problem) {
	if len(data) > MaxBytes {
		return nil, []Problem{{Field: flowField, Code: CodeTooLarge,
			Message: fmt.Sprintf("the flow is larger than %d bytes; split it into several flows", MaxBytes)}}
	}
	if !utf8.Valid(data) {
		return nil, []Problem{{Field: flowField, Code: CodeInvalid, Message: "the flow is not valid UTF-8"}}
	}
	s := &scanner{decoder: json.NewDecoder(bytes.NewReader(data))}
	s.decoder.UseNumber()
	if err := s.scan(); err != nil {
		return nil, append(s.problems.list, brokenJSON(data, err))
	}
	if len(s.problems.list) > 0 {
		return nil, nameComponents(data, s.problems.list)
	}
	spec := new(v1alpha1.FlowSpec)
	if err := json.Unmarshal(data, spec); err != nil {
		return nil, []Problem{{Field: flowField, Code: CodeInvalid, Message: "the flow cannot be read; check that every value has the type that the documentation says"}}
	}
	return spec, nil
}

// nameComponents gives each problem at components[3].x the id of that
// component, and x as its field.
func nameComponents(data []byte, list []Problem) []Problem {
	var flow struct {
		Components []struct {
			ID any `json:"id"`
		} `json:"components"`
	}
	// What does not fit stays without an id.
	if err := json.Unmarshal(data, &flow); err != nil && len(flow.Components) == 0 {
		return list
	}
	for i := range list {
		index, field, ok := componentPath(list[i].Field)
		if !ok || index >= len(flow.Components) {
			continue
		}
		if id, ok := flow.Components[index].ID.(string); ok && idPattern(id) {
			list[i].Component, list[i].Field = id, field
		}
	}
	return list
}

// componentPath splits components[3].params.x.
func componentPath(path string) (index int, field string, ok bool) {
	rest, ok := strings.CutPrefix(path, "components[")
	if !ok {
		return 0, "", false
	}
	number, field, ok := strings.Cut(rest, "].")
	index, err := strconv.Atoi(number)
	return index, field, ok && err == nil
}

// brokenJSON says where the JSON cannot be read on.
func brokenJSON(data []byte, err error) Problem {
	if errors.Is(err, errTooDeep) {
		return Problem{Field: flowField, Code: CodeTooLarge, Message: fmt.Sprintf("the JSON nests deeper than %d levels", MaxDepth)}
	}
	offset := len(data)
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		offset = min(max(int(syntax.Offset)-1, 0), len(data))
	}
	line := 1 + bytes.Count(data[:offset], []byte("\n"))
	column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:offset], '\n')+1:offset])
	return Problem{Field: flowField, Code: CodeInvalid,
		Message: fmt.Sprintf("this is not JSON from line %d, column %d on; is a comma, a quote or a bracket missing?", line, column)}
}

var errTooDeep = errors.New("too deep")

// scanner reads JSON token by token against the schema of a flow, without
// recursion.
type scanner struct {
	decoder  *json.Decoder
	stack    []frame
	problems problems
}

// frame is an object or list that is being read.
type frame struct {
	schema *schema // nil: anything goes
	object bool
	seen   map[string]bool
	key    string // the key whose value comes next
	hasKey bool
	index  int
}

// scan reads the whole JSON text.
func (s *scanner) scan() error {
	for {
		token, err := s.decoder.Token()
		if errors.Is(err, io.EOF) && len(s.stack) == 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("reading the JSON: %w", err)
		}
		if err := s.token(token); err != nil {
			return err
		}
		if len(s.stack) == 0 {
			return s.end()
		}
	}
}

// end makes sure that nothing follows the flow.
func (s *scanner) end() error {
	if _, err := s.decoder.Token(); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("reading the JSON: %w", err)
		}
		s.problems.add("", flowField, CodeInvalid, "something follows the end of the flow; remove it")
	}
	return nil
}

func (s *scanner) token(token json.Token) error {
	if delim, ok := token.(json.Delim); ok {
		if delim == '}' || delim == ']' {
			s.stack = s.stack[:len(s.stack)-1]
			s.valueDone()
			return nil
		}
		return s.open(delim == '{')
	}
	if f := s.top(); f != nil && f.object && !f.hasKey {
		s.key(f, token)
		return nil
	}
	s.scalar(token)
	s.valueDone()
	return nil
}

func (s *scanner) top() *frame {
	if len(s.stack) == 0 {
		return nil
	}
	return &s.stack[len(s.stack)-1]
}

// expected is the schema of the value that comes next.
func (s *scanner) expected() *schema {
	f := s.top()
	switch {
	case f == nil:
		return flowSchema()
	case f.schema == nil:
		return nil
	case f.object:
		return f.schema.fields[f.key]
	}
	return f.schema.items
}

func (s *scanner) open(isObject bool) error {
	want := s.expected()
	if want != nil && !opens(want.kind, isObject) {
		s.mistype(want)
		want = nil
	}
	if want != nil && want.kind != object && want.kind != list {
		want = nil
	}
	if len(s.stack) == MaxDepth {
		return errTooDeep
	}
	s.stack = append(s.stack, frame{schema: want, object: isObject})
	return nil
}

func opens(k schemaKind, isObject bool) bool {
	switch k {
	case anyValue:
		return true
	case object, anyObject:
		return isObject
	case list:
		return !isObject
	}
	return false
}

func (s *scanner) valueDone() {
	f := s.top()
	if f == nil {
		return
	}
	if f.object {
		f.hasKey = false
		return
	}
	f.index++
}

// key reads a key of an object.
func (s *scanner) key(f *frame, token json.Token) {
	f.key, _ = token.(string)
	f.hasKey = true
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	if f.seen[f.key] {
		s.report(CodeDuplicate, "the key "+expr.Quote(f.key)+" is there twice; remove one")
	}
	f.seen[f.key] = true
	if f.schema == nil || f.schema.fields[f.key] != nil {
		return
	}
	message := "there is no field " + expr.Quote(f.key)
	if near := expr.Nearest(f.key, f.schema.names); near != "" {
		message += "; did you mean " + near + "?"
	} else {
		message += "; there are " + strings.Join(f.schema.names, ", ")
	}
	s.report(CodeUnknown, message)
}

// scalar checks a text, number, boolean or null.
func (s *scanner) scalar(token json.Token) {
	want := s.expected()
	if want == nil || want.kind == anyValue {
		s.number(token)
		return
	}
	switch v := token.(type) {
	case nil:
		if len(s.stack) == 0 {
			s.mistype(want)
		}
	case string:
		s.string(want, v)
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, want.bits); want.kind != integer && want.kind != quantity || want.kind == integer && err != nil {
			s.mistype(want)
		}
	case bool:
		if want.kind != truth {
			s.mistype(want)
		}
	}
}

// number refuses numbers that no double holds.
func (s *scanner) number(token json.Token) {
	n, ok := token.(json.Number)
	if !ok {
		return
	}
	if f, err := n.Float64(); err != nil || math.IsInf(f, 0) {
		s.report(CodeTooLarge, "the number is too large")
	}
}

func (s *scanner) string(want *schema, v string) {
	ok := want.kind == text
	switch want.kind {
	case duration:
		_, err := time.ParseDuration(v)
		ok = err == nil
	case quantity:
		_, err := resource.ParseQuantity(v)
		ok = err == nil
	}
	if !ok {
		s.mistype(want)
		return
	}
}

func (s *scanner) mistype(want *schema) {
	s.report(CodeTypeMismatch, "this must be "+want.kind.words())
}

// report adds a problem at the value that is being read.
func (s *scanner) report(code, message string) {
	s.problems.add("", s.path(), code, message)
}

// path of the value that is being read, like components[3].params.prompt.
func (s *scanner) path() string {
	var b strings.Builder
	for i := range s.stack {
		f := &s.stack[i]
		switch {
		case !f.object:
			fmt.Fprintf(&b, "[%d]", f.index)
		case b.Len() == 0:
			b.WriteString(pathKey(f.key))
		default:
			b.WriteString("." + pathKey(f.key))
		}
	}
	if b.Len() == 0 {
		return flowField
	}
	return b.String()
}

// pathKey is a key as part of a path, shortened where it is long.
func pathKey(key string) string {
	const most = 40
	if key == "" {
		return `""`
	}
	key = strings.ToValidUTF8(key, "\uFFFD")
	if utf8.RuneCountInString(key) > most {
		return string([]rune(key)[:most]) + "…"
	}
	return key
}
