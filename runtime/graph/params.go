package graph

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

// Bounds of params.
const (
	// MaxParamDepth is how deep a param may nest.
	MaxParamDepth = 32
	// MaxExpressionBytes is the length of all expressions of a flow together.
	MaxExpressionBytes = 128 << 10
)

// params checks the params of a component and compiles their expressions.
func (v *validator) params(s *step) {
	values, ok := v.paramValues(s)
	if !ok || s.kind == nil {
		return
	}
	v.unknownParams(s, values)
	p := &paramCompiler{validator: v, step: s, values: values}
	before := len(v.problems.list)
	s.params = p.fields(s.kind.Fields)
	if len(v.problems.list) > before || s.kind.Validate == nil {
		return
	}
	for _, problem := range s.kind.Validate(s.params.unevaluated()) {
		v.problems.add(s.where.component, s.where.field("params."+problem.Field), CodeInvalid, problem.Message)
	}
}

// paramValues reads the params as JSON.
func (v *validator) paramValues(s *step) (map[string]any, bool) {
	if s.spec.Params == nil || len(s.spec.Params.Raw) == 0 {
		return nil, true
	}
	field := s.where.field("params")
	if len(s.spec.Params.Raw) > MaxParamsBytes {
		v.problems.addf(s.where.component, field, CodeTooLarge, "the params are larger than %d bytes; do it in several steps", MaxParamsBytes)
		return nil, false
	}
	value, problem := parseJSON(s.spec.Params.Raw)
	if problem != "" {
		v.problems.add(s.where.component, field, CodeInvalid, problem)
		return nil, false
	}
	values, ok := value.(map[string]any)
	if !ok && value != nil {
		v.problems.add(s.where.component, field, CodeTypeMismatch, "params must be an object")
	}
	return values, ok || value == nil
}

// parseJSON reads a JSON value that does not nest too deep. The second result
// says what is wrong with it.
func parseJSON(raw []byte) (any, string) {
	switch {
	case len(raw) == 0:
		return nil, ""
	case len(raw) > MaxParamsBytes:
		return nil, fmt.Sprintf("the value is larger than %d bytes", MaxParamsBytes)
	case !utf8.Valid(raw):
		return nil, "the value is not valid UTF-8"
	case depth(raw) > MaxParamDepth:
		return nil, fmt.Sprintf("the value nests deeper than %d levels", MaxParamDepth)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, "the value is not JSON"
	}
	return value, ""
}

// depth is how deep a JSON text nests.
func depth(raw []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

func (v *validator) unknownParams(s *step, values map[string]any) {
	names := make([]string, 0, len(s.kind.Fields))
	for i := range s.kind.Fields {
		names = append(names, s.kind.Fields[i].Name)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			v.problems.add(s.where.component, s.where.field("params."+pathKey(name)), CodeUnknown, v.unknownParam(s.kind, name, names))
		}
	}
}

func (v *validator) unknownParam(kind *catalog.Component, name string, names []string) string {
	message := fmt.Sprintf("%s has no param %s", kind.Title, expr.Quote(name))
	if near := v.nearest(name, names); near != "" {
		return message + "; did you mean " + near + "?"
	}
	if len(names) == 0 {
		return message + "; it has none"
	}
	return message + "; it has " + strings.Join(names, ", ")
}

// paramCompiler makes Params of one component's values, or of one item of a
// list of them.
type paramCompiler struct {
	*validator
	step   *step
	values map[string]any
	prefix string // of the field in problems, for items of lists
}

// fields compiles those fields that count, in the order of the catalogue.
func (p *paramCompiler) fields(fields []catalog.Field) *Params {
	out := &Params{static: make(catalog.Params, len(fields))}
	for i := range fields {
		f := &fields[i]
		if !p.shown(f, fields) {
			continue
		}
		value := p.values[f.Name]
		if blank(value) && f.Required && blank(f.Default) {
			p.problem(f.Name, CodeRequired, "fill in "+expr.Quote(label(f)))
			continue
		}
		if value == nil {
			value = f.Default
		}
		if value != nil {
			out.set(f, p.field(f, f.Name, value))
		}
	}
	return out
}

func label(f *catalog.Field) string {
	if f.Label != "" {
		return f.Label
	}
	return f.Name
}

// shown says whether the field counts: the one that it depends on has one of
// the values that it names.
func (p *paramCompiler) shown(f *catalog.Field, fields []catalog.Field) bool {
	if f.ShownIf == nil {
		return true
	}
	value := p.values[f.ShownIf.Field]
	for i := range fields {
		if value == nil && fields[i].Name == f.ShownIf.Field {
			value = fields[i].Default
		}
	}
	return slices.Contains(f.ShownIf.Values, expr.Text(value))
}

func blank(value any) bool {
	text, ok := value.(string)
	return value == nil || ok && strings.TrimSpace(text) == ""
}

func (p *paramCompiler) problem(name, code, message string) {
	p.problems.add(p.step.where.component, p.path(name), code, message)
}

func (p *paramCompiler) path(name string) string {
	return p.step.where.field("params." + p.prefix + name)
}

// field compiles one value. It returns nil where there is a problem.
func (p *paramCompiler) field(f *catalog.Field, name string, value any) param {
	switch f.Type {
	case catalog.FieldNumber:
		return p.number(f, name, value)
	case catalog.FieldBoolean:
		return p.boolean(f, name, value)
	case catalog.FieldSelect:
		return p.option(f, name, value)
	case catalog.FieldCondition:
		return p.condition(name, value)
	case catalog.FieldMap:
		return p.textMap(f, name, value)
	case catalog.FieldList:
		return p.list(f, name, value)
	case catalog.FieldStringList:
		return p.textList(f, name, value)
	case catalog.FieldJSON:
		return p.json(f, name, value)
	}
	return p.text(f, name, value)
}

func (p *paramCompiler) mistyped(name, want string) param {
	p.problem(name, CodeTypeMismatch, "this must be "+want)
	return nil
}

func (p *paramCompiler) text(f *catalog.Field, name string, value any) param {
	text, ok := value.(string)
	if !ok {
		return p.mistyped(name, "a text; put it in quotes")
	}
	if f.MaxLength > 0 && len(text) > f.MaxLength {
		p.problem(name, CodeTooLarge, fmt.Sprintf("this must not be longer than %d bytes", f.MaxLength))
		return nil
	}
	if t := p.template(f, name, text); t != nil {
		return &templateParam{field: p.path(name), text: text, template: t, kind: textResult}
	}
	return constant{text}
}

// template compiles a text with expressions; it is nil where there are none.
func (p *paramCompiler) template(f *catalog.Field, name, text string) *expr.Template {
	if !f.Template || p.problems.full || !strings.Contains(text, "{{") || !p.afford(name, expressionBytes(text)) {
		return nil
	}
	t, errs := p.scope.Template(text)
	if len(errs) > 0 {
		p.failed(name, errs)
		return nil
	}
	p.read(name, t.Refs())
	return t
}

// afford counts the length of expressions: each of them has to be compiled. It
// is false, with a problem once, where there are too many.
func (p *paramCompiler) afford(name string, length int) bool {
	before := p.expressions
	p.expressions += length
	if p.expressions <= MaxExpressionBytes {
		return true
	}
	if before <= MaxExpressionBytes {
		p.problem(name, CodeTooLarge, fmt.Sprintf("all expressions of the flow together are longer than %d bytes; split the flow", MaxExpressionBytes))
	}
	return false
}

// expressionBytes is how much of a text stands in {{ }}, roughly.
func expressionBytes(text string) int {
	total := 0
	for {
		_, after, found := strings.Cut(text, "{{")
		if !found {
			return total
		}
		var inner string
		inner, text, _ = strings.Cut(after, "}}")
		total += len("{{") + len(inner) + len("}}")
	}
}

func (p *paramCompiler) failed(name string, errs []*expr.Error) {
	codes := map[expr.Kind]string{
		expr.Invalid: CodeExpression, expr.UnknownName: CodeUnknownReference, expr.TooLarge: CodeTooLarge, expr.Failed: CodeExpression,
	}
	for _, err := range errs {
		p.problem(name, codes[err.Kind], err.Error())
	}
}

// read notes what an expression refers to. The run's input is what leaves the
// trigger at which the run starts, whichever that will be.
func (p *paramCompiler) read(name string, refs []expr.Ref) {
	for _, ref := range refs {
		if ref.Step != expr.InputStep {
			p.step.reads = append(p.step.reads, reading{field: p.path(name), ref: ref})
			continue
		}
		if p.step.kind.Trigger {
			continue
		}
		for _, trigger := range p.triggers {
			p.step.reads = append(p.step.reads, reading{field: p.path(name), ref: expr.Ref{Step: trigger, Port: p.steps[trigger].main(), At: ref.At}})
		}
	}
}

func (p *paramCompiler) number(f *catalog.Field, name string, value any) param {
	if text, ok := value.(string); ok {
		if t := p.template(f, name, text); t != nil {
			return &templateParam{field: p.path(name), text: text, template: t, kind: numberResult, spec: f}
		}
	}
	n, ok := value.(float64)
	if !ok {
		return p.mistyped(name, "a number")
	}
	if message := numberProblem(f, n); message != "" {
		p.problem(name, CodeInvalid, message)
		return nil
	}
	return constant{n}
}

// numberProblem says which bound of the field the number breaks.
func numberProblem(f *catalog.Field, n float64) string {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return "this must be a number"
	case f.Integer && n != math.Trunc(n):
		return "this must be a whole number"
	case f.Min != nil && n < *f.Min:
		return "this must be at least " + expr.Number(*f.Min)
	case f.Max != nil && n > *f.Max:
		return "this must be at most " + expr.Number(*f.Max)
	}
	return ""
}

func (p *paramCompiler) boolean(f *catalog.Field, name string, value any) param {
	if text, ok := value.(string); ok {
		if t := p.template(f, name, text); t != nil {
			return &templateParam{field: p.path(name), text: text, template: t, kind: booleanResult}
		}
	}
	if _, ok := value.(bool); !ok {
		return p.mistyped(name, "true or false")
	}
	return constant{value}
}

func (p *paramCompiler) option(f *catalog.Field, name string, value any) param {
	text, ok := value.(string)
	if !ok {
		return p.mistyped(name, "a text; put it in quotes")
	}
	if t := p.template(f, name, text); t != nil {
		return &templateParam{field: p.path(name), text: text, template: t, kind: textResult, spec: f}
	}
	if message := optionProblem(f, text); message != "" {
		p.problem(name, CodeInvalid, message)
		return nil
	}
	return constant{text}
}

func optionProblem(f *catalog.Field, text string) string {
	if f.Type != catalog.FieldSelect || text == "" && !f.Required {
		return ""
	}
	var values []string
	for _, o := range f.Options {
		if o.Value == text {
			return ""
		}
		values = append(values, o.Value)
	}
	return "choose one of " + strings.Join(values, ", ")
}

func (p *paramCompiler) condition(name string, value any) param {
	if _, ok := value.(bool); ok {
		return constant{value}
	}
	text, ok := value.(string)
	if !ok {
		return p.mistyped(name, `a condition, for example "input.total > 100"`)
	}
	if blank(text) || !p.afford(name, len(text)) {
		return nil
	}
	e, errs := p.scope.Condition(text)
	if len(errs) > 0 {
		p.failed(name, errs)
		return nil
	}
	p.read(name, e.Refs())
	return &conditionParam{field: p.path(name), text: text, expression: e}
}

func (p *paramCompiler) count(f *catalog.Field, name string, n int) bool {
	if f.Min != nil && float64(n) < *f.Min || f.Max != nil && float64(n) > *f.Max {
		least, most := "0", "any number"
		if f.Min != nil {
			least = expr.Number(*f.Min)
		}
		if f.Max != nil {
			most = expr.Number(*f.Max)
		}
		p.problem(name, CodeInvalid, fmt.Sprintf("there are %d entries; there must be %s to %s", n, least, most))
		return false
	}
	return true
}

// textMap compiles names and texts. A value that is nothing but an expression
// keeps its type.
func (p *paramCompiler) textMap(f *catalog.Field, name string, value any) param {
	entries, ok := value.(map[string]any)
	if !ok {
		return p.mistyped(name, "an object of names and texts")
	}
	if !p.count(f, name, len(entries)) {
		return nil
	}
	out := &objectParam{}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		entryName := name + "." + pathKey(key)
		text, ok := entries[key].(string)
		switch {
		case blank(key):
			p.problem(name, CodeInvalid, "an entry has no name; give it one, or remove it")
		case !ok:
			p.mistyped(entryName, "a text; put it in quotes, or write {{ … }} around a value")
		case f.MaxLength > 0 && len(text) > f.MaxLength:
			p.problem(entryName, CodeTooLarge, fmt.Sprintf("this must not be longer than %d bytes", f.MaxLength))
		default:
			out.add(key, p.valueOf(f, entryName, text))
		}
	}
	return out.simple()
}

// valueOf compiles a text that keeps the type of a lone expression.
func (p *paramCompiler) valueOf(f *catalog.Field, name, text string) param {
	if t := p.template(f, name, text); t != nil {
		return &templateParam{field: p.path(name), text: text, template: t, kind: anyResult}
	}
	return constant{text}
}

func (p *paramCompiler) list(f *catalog.Field, name string, value any) param {
	items, ok := value.([]any)
	if !ok {
		return p.mistyped(name, "a list")
	}
	if !p.count(f, name, len(items)) {
		return nil
	}
	out := &listParam{}
	for i, item := range items {
		values, ok := item.(map[string]any)
		if !ok {
			p.mistyped(index(name, i), "an object")
			continue
		}
		nested := &paramCompiler{validator: p.validator, step: p.step, values: values, prefix: p.prefix + index(name, i) + "."}
		nested.unknownItems(f, values)
		out.items = append(out.items, paramsParam{nested.fields(f.Items)})
	}
	return out.simple()
}

func (p *paramCompiler) unknownItems(f *catalog.Field, values map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(f.Items, func(item catalog.Field) bool { return item.Name == name }) {
			p.problem(pathKey(name), CodeUnknown, "there is no field "+expr.Quote(name)+" here")
		}
	}
}

func (p *paramCompiler) textList(f *catalog.Field, name string, value any) param {
	items, ok := value.([]any)
	if !ok {
		return p.mistyped(name, "a list of texts")
	}
	if !p.count(f, name, len(items)) {
		return nil
	}
	out := &listParam{}
	for i, item := range items {
		if compiled := p.text(f, index(name, i), item); compiled != nil {
			out.items = append(out.items, compiled)
		}
	}
	return out.simple()
}

// json compiles any JSON value. It recurses; parseJSON has bounded the depth.
func (p *paramCompiler) json(f *catalog.Field, name string, value any) param {
	switch value := value.(type) {
	case string:
		return p.valueOf(f, name, value)
	case []any:
		out := &listParam{}
		for i, item := range value {
			if compiled := p.json(f, index(name, i), item); compiled != nil {
				out.items = append(out.items, compiled)
			}
		}
		return out.simple()
	case map[string]any:
		out := &objectParam{}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			out.add(key, p.json(f, name+"."+pathKey(key), value[key]))
		}
		return out.simple()
	}
	return constant{value}
}
