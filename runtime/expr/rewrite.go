package expr

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

const indexOperator = operators.Index

// rewriter gives the names of a parsed expression their meaning: what reads a
// step becomes an item of @values, a list of what the expression reads. So one
// CEL environment serves every flow.
//
// It recurses; the parser has bounded the depth.
type rewriter struct {
	scope  *Scope
	lang   *language
	ast    *ast.AST
	at     Position
	make   ast.ExprFactory
	nextID int64
	refs   []Ref
	input  *Ref
	called []string
	errs   []*Error
}

// locals are the variables of the macros around an expression.
type locals struct {
	names []string
	outer *locals
}

func (l *locals) has(name string) bool {
	for ; l != nil; l = l.outer {
		if slices.Contains(l.names, name) {
			return true
		}
	}
	return false
}

func newRewriter(s *Scope, lang *language, a *ast.AST, at Position) *rewriter {
	return &rewriter{scope: s, lang: lang, ast: a, at: at, make: ast.NewExprFactory(), nextID: ast.MaxID(a) + 1}
}

func (r *rewriter) expr(e ast.Expr, in *locals) {
	if r.reference(e, in) {
		return
	}
	switch e.Kind() {
	case ast.IdentKind:
		r.ident(e, in)
	case ast.SelectKind:
		r.expr(e.AsSelect().Operand(), in)
	case ast.CallKind:
		r.call(e.AsCall(), in)
	case ast.ListKind:
		r.all(e.AsList().Elements(), in)
	case ast.MapKind:
		r.entries(e.AsMap().Entries(), in)
	case ast.StructKind:
		r.fail(e, "objects are written like {\"name\": value}")
	case ast.ComprehensionKind:
		r.comprehension(e.AsComprehension(), in)
	}
}

func (r *rewriter) all(list []ast.Expr, in *locals) {
	for _, e := range list {
		r.expr(e, in)
	}
}

func (r *rewriter) entries(entries []ast.EntryExpr, in *locals) {
	for _, entry := range entries {
		r.expr(entry.AsMapEntry().Key(), in)
		r.expr(entry.AsMapEntry().Value(), in)
	}
}

func (r *rewriter) comprehension(c ast.ComprehensionExpr, in *locals) {
	r.expr(c.IterRange(), in)
	r.expr(c.AccuInit(), in)
	loop := &locals{names: []string{c.AccuVar(), c.IterVar()}, outer: in}
	if c.HasIterVar2() {
		loop.names = append(loop.names, c.IterVar2())
	}
	r.expr(c.LoopCondition(), loop)
	r.expr(c.LoopStep(), loop)
	r.expr(c.Result(), &locals{names: []string{c.AccuVar()}, outer: in})
}

// call visits the arguments, and the target unless it only says where the
// function is: math in math.abs(x).
func (r *rewriter) call(c ast.CallExpr, in *locals) {
	name := c.FunctionName()
	if c.IsMemberFunction() {
		if qualified := dotted(c.Target()) + "." + name; r.lang.env.HasFunction(qualified) {
			name = qualified
		} else {
			r.expr(c.Target(), in)
		}
	}
	if !slices.Contains(r.called, name) {
		r.called = append(r.called, name)
	}
	r.all(c.Args(), in)
}

// dotted returns the text of an expression like a.b.c, and nothing for others.
func dotted(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			return dotted(s.Operand()) + "." + s.FieldName()
		}
	}
	return ""
}

func (r *rewriter) ident(e ast.Expr, in *locals) {
	name := e.AsIdent()
	switch {
	case in.has(name), name == "now", name == "flow", typeName(name):
	case name == "input":
		r.input = &Ref{Step: InputStep, At: r.position(e)}
	case name == "step":
		r.fail(e, `step needs the id of an earlier step in quotes: step["id"]`)
	case name == "ports":
		r.fail(e, `ports needs the id of an earlier step and one of its outputs: ports["id"].main`)
	default:
		if step, err := r.scope.lookup(name, r.position(e)); err != nil {
			r.errs = append(r.errs, err)
		} else {
			r.replace(e, r.scope.main(step, r.position(e)), valuesVar)
		}
	}
}

// reference replaces step["id"] and ports["id"].x, and has() of them. It
// returns false where the expression is something else.
func (r *rewriter) reference(e ast.Expr, in *locals) bool {
	operand, key, test, ok := member(e)
	if !ok {
		return false
	}
	list := valuesVar
	if test {
		list = cameVar
	}
	if named(operand, "step", in) {
		r.stepReference(e, key, list)
		return true
	}
	inner, id, _, ok := member(operand)
	if ok && named(inner, "ports", in) {
		r.portReference(e, id, key, list)
		return true
	}
	if named(operand, "ports", in) {
		r.fail(e, `ports needs one of the step's outputs: ports[%q].main`, key)
		return true
	}
	return false
}

// member reads a.key, a["key"] and has(a.key).
func member(e ast.Expr) (operand ast.Expr, key string, test, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		return s.Operand(), s.FieldName(), s.IsTestOnly(), true
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != indexOperator || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
			return nil, "", false, false
		}
		text, ok := c.Args()[1].AsLiteral().(types.String)
		return c.Args()[0], string(text), false, ok
	}
	return nil, "", false, false
}

func named(e ast.Expr, name string, in *locals) bool {
	return e.Kind() == ast.IdentKind && e.AsIdent() == name && !in.has(name)
}

func (r *rewriter) stepReference(e ast.Expr, id, list string) {
	at := r.position(e)
	step, err := r.scope.step(id, at)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.replace(e, r.scope.main(step, at), list)
}

func (r *rewriter) portReference(e ast.Expr, id, port, list string) {
	at := r.position(e)
	step, err := r.scope.step(id, at)
	if err == nil {
		port, err = r.scope.port(step, port, at)
	}
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.replace(e, Ref{Step: step, Port: port, At: at}, list)
}

// replace makes the expression an item of one of the lists of references. A
// step without outputs has no main one to read.
func (r *rewriter) replace(e ast.Expr, ref Ref, list string) {
	if ref.Port == "" {
		r.fail(e, "the step %q has no outputs", r.scope.steps[ref.Step].ID)
		return
	}
	index := slices.IndexFunc(r.refs, func(other Ref) bool { return other.Step == ref.Step && other.Port == ref.Port })
	if index < 0 {
		index = len(r.refs)
		r.refs = append(r.refs, ref)
	}
	e.SetKindCase(r.make.NewCall(e.ID(), indexOperator,
		r.make.NewIdent(r.id(e), list), r.make.NewLiteral(r.id(e), types.Int(index))))
}

// id returns a new id for a part that stands where e stands.
func (r *rewriter) id(e ast.Expr) int64 {
	id := r.nextID
	r.nextID++
	if offset, ok := r.ast.SourceInfo().GetOffsetRange(e.ID()); ok {
		r.ast.SourceInfo().SetOffsetRange(id, offset)
	}
	return id
}

func (r *rewriter) position(e ast.Expr) Position { return nodePosition(r.ast, e.ID(), r.at) }

func (r *rewriter) fail(e ast.Expr, format string, args ...any) {
	r.errs = append(r.errs, errorAt(Invalid, r.position(e), format, args...))
}
