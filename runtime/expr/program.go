package expr

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// program is an expression in CEL.
type program struct {
	cel cel.Program
	// ast has the positions of its parts; the expression starts at at.
	ast    *ast.AST
	at     Position
	output *cel.Type
}

// program compiles an expression with CEL: parse, give names their meaning,
// check, plan.
func (s *Scope) program(source string, at Position) (*Expression, []*Error) {
	lang, err := theLanguage()
	if err != nil {
		return nil, []*Error{errorAt(Invalid, at, "the expression language could not be started")}
	}
	parsed, issues := lang.env.Parse(source)
	if issues.Err() != nil {
		return nil, syntaxErrors(issues, at)
	}
	r := newRewriter(s, lang, parsed.NativeRep(), at)
	r.expr(r.ast.Expr(), nil)
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	checked, issues := lang.env.Check(parsed)
	if issues.Err() != nil {
		return nil, checkErrors(issues, at)
	}
	p := &program{ast: checked.NativeRep(), at: at, output: checked.OutputType()}
	guardEquality(p.ast)
	if p.cel, err = lang.plan(checked, r.called); err != nil {
		return nil, []*Error{errorAt(Invalid, at, "a part of the expression can never work; is a text used as a number?")}
	}
	return &Expression{program: p, refs: r.refs, input: r.input}, nil
}

// plan makes a program of a checked expression that calls those functions.
func (l *language) plan(checked *cel.Ast, called []string) (cel.Program, error) {
	var overloads []*functions.Overload
	for _, name := range called {
		overloads = append(overloads, l.guarded[name]...)
	}
	p, err := l.env.Program(checked,
		cel.Functions(overloads...), //nolint:staticcheck // declaring a function anew cannot wrap its binding; this can
		cel.EvalOptions(cel.OptOptimize),
		cel.CostLimit(MaxCost),
		cel.InterruptCheckFrequency(1),
	)
	if err != nil {
		return nil, fmt.Errorf("planning the expression: %w", err)
	}
	return p, nil
}

func (p *program) mayBeBool() bool {
	return p.output.IsExactType(cel.BoolType) || p.output.IsExactType(cel.DynType)
}

// value evaluates the program on the values of its references.
func (p *program) value(ctx context.Context, vars Vars, refs []Ref) (any, *Error) {
	ctx, stop := limitTime(ctx)
	defer stop()
	out, _, err := p.cel.ContextEval(ctx, &activation{vars: vars, refs: refs})
	if err != nil {
		return nil, p.failure(err)
	}
	value, err := toJSON(out)
	if err != nil {
		return nil, p.failure(err)
	}
	return value, nil
}

// activation gives CEL the values of its variables.
type activation struct {
	vars Vars
	refs []Ref
}

// ResolveName returns the value of a variable.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "input":
		return a.vars.Input(), true
	case "now":
		return a.vars.Now(), true
	case "flow":
		return a.vars.Flow(), true
	case valuesVar:
		return a.values(), true
	case cameVar:
		return a.came(), true
	}
	return nil, false
}

// Parent is none.
func (a *activation) Parent() cel.Activation { return nil }

func (a *activation) values() []any {
	out := make([]any, len(a.refs))
	for i, ref := range a.refs {
		out[i], _ = a.vars.Value(ref.Step, ref.Port)
	}
	return out
}

func (a *activation) came() []bool {
	out := make([]bool, len(a.refs))
	for i, ref := range a.refs {
		_, out[i] = a.vars.Value(ref.Step, ref.Port)
	}
	return out
}

// failure says in plain words why the evaluation failed. CEL's own texts hold
// values of the run, so none of them is passed on.
func (p *program) failure(err error) *Error {
	var canceled interpreter.EvalCancelledError
	var celErr *types.Err
	switch {
	case errors.As(err, &canceled) || errors.Is(err, interpreter.InterruptError{}):
		return errorAt(TooLarge, p.at, "the expression takes too much work; do it in several steps, or on less data")
	case errors.As(err, &celErr):
		return p.failureAt(celErr)
	case errors.Is(err, errTooBig):
		return errorAt(TooLarge, p.at, "the result is too large or too deep")
	case errors.Is(err, errNotAValue), errors.Is(err, errNotANum):
		return errorAt(Failed, p.at, "%s", err.Error())
	}
	return errorAt(Failed, p.at, "the expression cannot be evaluated on these values")
}

func (p *program) failureAt(err *types.Err) *Error {
	at := p.position(err.NodeID())
	text := err.Error()
	switch {
	case text == errTooMuch:
		return errorAt(TooLarge, at, "these values are too large for one expression; do it in several steps, or on less data")
	case text == errNotJSON:
		return errorAt(Failed, at, "the text is not JSON")
	case isDivision(text):
		return errorAt(Failed, at, "division by zero")
	}
	if e := p.missing(err.NodeID(), text); e != nil {
		return e
	}
	return errorAt(Failed, at, "these values do not fit here; is a text used as a number, or is something empty?")
}

func isDivision(text string) bool {
	return text == "division by zero" || text == "modulus by zero"
}

// missing describes a field or an item that is not there. CEL names the whole
// path and, in its text, the key; the first part with that key is most likely
// the one, and the last where no part has it.
func (p *program) missing(id int64, text string) *Error {
	node, ok := findNode(p.ast, id)
	if !ok {
		return nil
	}
	var last *Error
	for {
		operand, err := p.missingPart(node)
		if err == nil {
			return last
		}
		if key, ok := partKey(node); last == nil || ok && strings.HasSuffix(text, ": "+key) {
			last = err
		}
		node = operand
	}
}

// missingPart says that a part of a path is not there. It is nil where the
// expression is no such part.
func (p *program) missingPart(e ast.Expr) (ast.Expr, *Error) {
	at := p.position(e.ID())
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), noField(e.AsSelect().FieldName(), at)
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() == indexOperator && len(c.Args()) == 2 && c.Args()[0].AsIdent() != valuesVar {
			return c.Args()[0], missingItem(c.Args()[1], at)
		}
	}
	return nil, nil
}

func missingItem(key ast.Expr, at Position) *Error {
	if key.Kind() == ast.LiteralKind {
		switch v := key.AsLiteral().(type) {
		case types.String:
			return noField(string(v), at)
		case types.Int:
			return noItem(int(v), at)
		}
	}
	return errorAt(Failed, at, "there is nothing at this place of the list or object")
}

// partKey is the key of a part, as CEL writes it.
func partKey(e ast.Expr) (string, bool) {
	if e.Kind() == ast.SelectKind {
		return e.AsSelect().FieldName(), true
	}
	if key := e.AsCall().Args()[1]; key.Kind() == ast.LiteralKind {
		return fmt.Sprint(key.AsLiteral().Value()), true
	}
	return "", false
}

func findNode(a *ast.AST, id int64) (ast.Expr, bool) {
	var found ast.Expr
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id {
			found = e
		}
	}))
	return found, found != nil
}

// position of a part of the expression, in the field.
func (p *program) position(id int64) Position { return nodePosition(p.ast, id, p.at) }

func nodePosition(a *ast.AST, id int64, at Position) Position {
	if _, ok := a.SourceInfo().GetOffsetRange(id); !ok {
		return at
	}
	location := a.SourceInfo().GetStartLocation(id)
	return at.within(location.Line(), location.Column())
}
