package graph

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

// Params are the compiled params of a component.
type Params struct {
	// static has the values that are the same in every run.
	static  catalog.Params
	dynamic []dynamicParam
}

type dynamicParam struct {
	name  string
	param param
}

// ParamError is a param that could not be evaluated.
type ParamError struct {
	// Field is the path of the param.
	Field string
	Err   *expr.Error
}

// Error names the field and what is wrong.
func (e *ParamError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the error of the expression.
func (e *ParamError) Unwrap() error { return e.Err }

// Evaluate returns the params of one execution. A text that becomes longer than
// most bytes is an error. Callers must not change what it returns.
func (p *Params) Evaluate(ctx context.Context, vars expr.Vars, most int64) (catalog.Params, *ParamError) {
	if len(p.dynamic) == 0 {
		return p.static, nil
	}
	out := make(catalog.Params, len(p.static)+len(p.dynamic))
	maps.Copy(out, p.static)
	for i := range p.dynamic {
		value, err := p.dynamic[i].param.evaluate(ctx, vars, most)
		if err != nil {
			return nil, err
		}
		out[p.dynamic[i].name] = value
	}
	return out, nil
}

// set adds a compiled field.
func (p *Params) set(f *catalog.Field, value param) {
	switch value := value.(type) {
	case nil:
	case constant:
		p.static[f.Name] = value.value
	default:
		p.dynamic = append(p.dynamic, dynamicParam{name: f.Name, param: value})
	}
}

// unevaluated returns the params with their texts as the flow has them.
func (p *Params) unevaluated() catalog.Params {
	out := maps.Clone(p.static)
	for i := range p.dynamic {
		out[p.dynamic[i].name] = p.dynamic[i].param.source()
	}
	return out
}

// templated are the names of the params that hold {{ … }}, nil for none.
func (p *Params) templated() map[string]bool {
	var names map[string]bool
	for i := range p.dynamic {
		if _, ok := p.dynamic[i].param.(*conditionParam); ok {
			continue
		}
		if names == nil {
			names = map[string]bool{}
		}
		names[p.dynamic[i].name] = true
	}
	return names
}

// param is a compiled value.
type param interface {
	evaluate(ctx context.Context, vars expr.Vars, most int64) (any, *ParamError)
	// source is the value as the flow has it.
	source() any
}

// constant is a value without expressions.
type constant struct{ value any }

func (c constant) evaluate(context.Context, expr.Vars, int64) (any, *ParamError) { return c.value, nil }
func (c constant) source() any                                                   { return c.value }

// resultKind says what the value of a template becomes.
type resultKind int

const (
	textResult resultKind = iota
	anyResult
	numberResult
	booleanResult
)

// templateParam is a text with expressions.
type templateParam struct {
	field    string
	text     string
	template *expr.Template
	kind     resultKind
	// spec has the bounds of the value, where there are any.
	spec *catalog.Field
}

func (t *templateParam) source() any { return t.text }

func (t *templateParam) evaluate(ctx context.Context, vars expr.Vars, most int64) (any, *ParamError) {
	var value any
	var err *expr.Error
	if t.kind == textResult {
		value, err = t.template.Text(ctx, vars, most)
	} else {
		value, err = t.template.Value(ctx, vars, most)
	}
	if err != nil {
		return nil, &ParamError{t.field, err}
	}
	value, message := t.coerce(value)
	if message != "" {
		return nil, &ParamError{t.field, &expr.Error{Kind: expr.Failed, Position: expr.Position{Line: 1, Column: 1}, Message: message}}
	}
	return value, nil
}

// coerce gives the value the type of the field, or says why it cannot.
func (t *templateParam) coerce(value any) (any, string) {
	switch t.kind {
	case numberResult:
		n, ok := value.(float64)
		if text, isText := value.(string); isText {
			parsed, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			n, ok = parsed, err == nil
		}
		if !ok {
			return nil, "the expression must give a number"
		}
		return n, numberProblem(t.spec, n)
	case booleanResult:
		if _, ok := value.(bool); !ok {
			return nil, "the expression must give true or false"
		}
	case textResult:
		if text, ok := value.(string); ok && t.spec != nil {
			return value, optionProblem(t.spec, text)
		}
	case anyResult:
	}
	return value, ""
}

// conditionParam is an expression that yields true or false.
type conditionParam struct {
	field      string
	text       string
	expression *expr.Expression
}

func (c *conditionParam) source() any { return c.text }

func (c *conditionParam) evaluate(ctx context.Context, vars expr.Vars, _ int64) (any, *ParamError) {
	ok, err := c.expression.Bool(ctx, vars)
	if err != nil {
		return nil, &ParamError{c.field, err}
	}
	return ok, nil
}

// listParam is a list with expressions in it.
type listParam struct{ items []param }

func (l *listParam) evaluate(ctx context.Context, vars expr.Vars, most int64) (any, *ParamError) {
	out := make([]any, len(l.items))
	for i, item := range l.items {
		value, err := item.evaluate(ctx, vars, most)
		if err != nil {
			return nil, err
		}
		out[i] = value
	}
	return out, nil
}

func (l *listParam) source() any {
	out := make([]any, len(l.items))
	for i, item := range l.items {
		out[i] = item.source()
	}
	return out
}

// simple is a constant, if all items are.
func (l *listParam) simple() param {
	for _, item := range l.items {
		if !isConstant(item) {
			return l
		}
	}
	return constant{l.source()}
}

// objectParam is an object with expressions in it.
type objectParam struct {
	names  []string
	values []param
}

func (o *objectParam) add(name string, value param) {
	if value != nil {
		o.names = append(o.names, name)
		o.values = append(o.values, value)
	}
}

func (o *objectParam) evaluate(ctx context.Context, vars expr.Vars, most int64) (any, *ParamError) {
	out := make(map[string]any, len(o.names))
	for i, name := range o.names {
		value, err := o.values[i].evaluate(ctx, vars, most)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

func (o *objectParam) source() any {
	out := make(map[string]any, len(o.names))
	for i, name := range o.names {
		out[name] = o.values[i].source()
	}
	return out
}

func (o *objectParam) simple() param {
	for _, value := range o.values {
		if !isConstant(value) {
			return o
		}
	}
	return constant{o.source()}
}

// paramsParam is an item of a list of fields.
type paramsParam struct{ params *Params }

func (p paramsParam) evaluate(ctx context.Context, vars expr.Vars, most int64) (any, *ParamError) {
	params, err := p.params.Evaluate(ctx, vars, most)
	if err != nil {
		return nil, err
	}
	return map[string]any(params), nil
}

func (p paramsParam) source() any { return map[string]any(p.params.unevaluated()) }

func isConstant(p param) bool {
	switch p := p.(type) {
	case constant:
		return true
	case paramsParam:
		return len(p.params.dynamic) == 0
	}
	return false
}
