package expr

import (
	"encoding/json"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// CEL charges a call after it was made, and counts shared parts of a value once
// although most functions go through them as often as they occur. Functions
// whose work or result may grow faster than their arguments are therefore
// looked at before.

// errTooMuch is what a function gives that refuses its arguments.
const errTooMuch = "too much for one expression"

// guard replaces the bindings of functions by ones that check first, and those
// of arithmetic by ones that mix doubles and ints.
func (l *language) guard() error {
	for name, check := range checks() {
		bindings, err := l.env.Functions()[name].Bindings()
		if err != nil {
			return fmt.Errorf("reading the bindings of %s: %w", name, err)
		}
		for _, b := range bindings {
			l.guarded[name] = append(l.guarded[name], guarded(b, check))
		}
	}
	for _, name := range []string{operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo} {
		bindings, err := l.env.Functions()[name].Bindings()
		if err != nil {
			return fmt.Errorf("reading the bindings of %s: %w", name, err)
		}
		for _, b := range bindings {
			if name == operators.Add {
				b = guarded(b, sumFits)
			}
			l.guarded[name] = append(l.guarded[name], promoting(b, name == operators.Modulo))
		}
	}
	return nil
}

// The functions that stand in for == and !=, which CEL does not let anyone
// replace.
const (
	equalFunction    = "@equal"
	notEqualFunction = "@not_equal"
)

func equality() []cel.EnvOption {
	compare := func(want types.Bool) cel.OverloadOpt {
		return cel.BinaryBinding(func(a, b ref.Val) ref.Val {
			if !canCompare(a, b) {
				return types.NewErr(errTooMuch)
			}
			equal := types.Equal(a, b)
			if types.IsUnknownOrError(equal) {
				return equal
			}
			return types.Bool(equal == want)
		})
	}
	both := []*cel.Type{cel.DynType, cel.DynType}
	return []cel.EnvOption{
		cel.Function(equalFunction, cel.Overload(equalFunction, both, cel.BoolType, compare(types.True))),
		cel.Function(notEqualFunction, cel.Overload(notEqualFunction, both, cel.BoolType, compare(types.False))),
	}
}

// guardEquality puts those functions in the place of == and != of an expression
// that has been checked.
func guardEquality(a *ast.AST) {
	factory := ast.NewExprFactory()
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		var name string
		switch e.AsCall().FunctionName() {
		case operators.Equals:
			name = equalFunction
		case operators.NotEquals:
			name = notEqualFunction
		default:
			return
		}
		e.SetKindCase(factory.NewCall(e.ID(), name, e.AsCall().Args()...))
		a.SetReference(e.ID(), ast.NewFunctionReference(name))
	}))
}

// canCompare says whether two values can be compared in reasonable time: one of
// them is not large.
func canCompare(a, b ref.Val) bool {
	return scalar(a) || scalar(b) || elements(a) <= MaxElements || elements(b) <= MaxElements
}

func scalar(v ref.Val) bool {
	switch v.(type) {
	case traits.Lister, traits.Mapper:
		return false
	}
	return true
}

// memberFits: in compares with every item.
func memberFits(args []ref.Val) bool {
	return scalar(args[0]) || elements(args[1]) <= MaxElements
}

// sumFits: what + makes does not become too long.
func sumFits(args []ref.Val) bool {
	const mostItems, mostBytes = 1 << 20, 16 << 20
	return listSize(args[0])+listSize(args[1]) <= mostItems && textSize(args[0])+textSize(args[1]) <= mostBytes
}

// sizes measures values as deep and as long as MaxElements allows.
var sizes = types.NewSizeCalculator(
	types.SizeCalculatorMaxDepth(MaxValueDepth),
	types.SizeCalculatorMaxTraversal(MaxElements),
)

// checks says which arguments functions accept.
func checks() map[string]func(args []ref.Val) bool {
	return map[string]func(args []ref.Val) bool{
		"replace":               replaceFits,
		"join":                  joinFits,
		"format":                formatFits,
		"matches":               textsFit,
		"split":                 textsFit,
		"reverse":               textsFit,
		"strings.quote":         textsFit,
		"base64.encode":         textsFit,
		"base64.decode":         textsFit,
		"json.encode":           elementsFit,
		"json.parse":            textsFit,
		"distinct":              pairsFit,
		"hasOnly":               pairsFit,
		"hasAny":                pairsFit,
		"hasAll":                pairsFit,
		"hasExactly":            pairsFit,
		"sort":                  listsFit,
		"@sortByAssociatedKeys": listsFit,
		"flatten":               elementsFit,
		"slice":                 listsFit,
		"math.@max":             listsFit,
		"math.@min":             listsFit,
		operators.In:            memberFits,
	}
}

func guarded(b *functions.Overload, fits func([]ref.Val) bool) *functions.Overload {
	out := *b
	if b.Unary != nil {
		out.Unary = func(a ref.Val) ref.Val {
			if !fits([]ref.Val{a}) {
				return types.NewErr(errTooMuch)
			}
			return b.Unary(a)
		}
	}
	if b.Binary != nil {
		out.Binary = func(a, c ref.Val) ref.Val {
			if !fits([]ref.Val{a, c}) {
				return types.NewErr(errTooMuch)
			}
			return b.Binary(a, c)
		}
	}
	if b.Function != nil {
		out.Function = func(args ...ref.Val) ref.Val {
			if !fits(args) {
				return types.NewErr(errTooMuch)
			}
			return b.Function(args...)
		}
	}
	return &out
}

// promoting makes an int a double where the other operand is one, and gives
// doubles a remainder.
func promoting(b *functions.Overload, modulo bool) *functions.Overload {
	out := *b
	out.OperandTrait = 0
	out.Binary = func(a, c ref.Val) ref.Val {
		if i, ok := a.(types.Int); ok && c.Type() == types.DoubleType {
			a = types.Double(i)
		}
		if i, ok := c.(types.Int); ok && a.Type() == types.DoubleType {
			c = types.Double(i)
		}
		if x, ok := a.(types.Double); ok && modulo {
			if y, ok := c.(types.Double); ok {
				return types.Double(math.Mod(float64(x), float64(y)))
			}
		}
		if b.OperandTrait != 0 && !a.Type().HasTrait(b.OperandTrait) {
			return types.MaybeNoSuchOverloadErr(a)
		}
		return b.Binary(a, c)
	}
	return &out
}

func textSize(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	}
	return 0
}

func listSize(v ref.Val) int {
	if l, ok := v.(traits.Lister); ok {
		if n, ok := l.Size().(types.Int); ok {
			return int(n)
		}
	}
	return 0
}

func textsFit(args []ref.Val) bool {
	for _, a := range args {
		if textSize(a) > MaxText || listSize(a) > MaxList {
			return false
		}
	}
	return true
}

// replaceFits: at worst every place between two letters gets the new text.
func replaceFits(args []ref.Val) bool {
	if len(args) < 3 {
		return true
	}
	text, old, replacement := textSize(args[0]), textSize(args[1]), textSize(args[2])
	times := text + 1
	if old > 0 {
		times = text / old
	}
	return textsFit(args) && text+times*replacement <= MaxElements
}

func joinFits(args []ref.Val) bool {
	list, ok := args[0].(traits.Lister)
	if !ok || !textsFit(args) {
		return !ok
	}
	separator := 0
	if len(args) > 1 {
		separator = textSize(args[1])
	}
	total := 0
	for i := range listSize(list) {
		total += separator + textSize(list.Get(types.Int(i)))
		if total > MaxElements {
			return false
		}
	}
	return true
}

// formatFits: each of the clauses may show each of the values.
func formatFits(args []ref.Val) bool {
	if len(args) < 2 {
		return true
	}
	clauses := textSize(args[0])/2 + 1
	return textsFit(args) && clauses*elements(args[1]) <= MaxElements
}

// pairsFit: every item is compared with every other.
func pairsFit(args []ref.Val) bool {
	const most = 4_000_000
	a := elements(args[0])
	b := a
	if len(args) > 1 {
		b = elements(args[1])
	}
	return a <= most && b <= most && a*b <= most
}

func listsFit(args []ref.Val) bool { return listSize(args[0]) <= MaxList }

func elementsFit(args []ref.Val) bool { return elements(args[0]) <= MaxElements/4 }

// elements is the size of a value with all that it holds.
func elements(v ref.Val) int { return int(sizes.AggregateSize(v)) }

func jsonFunctions() cel.EnvOption {
	return cel.Lib(jsonLibrary{})
}

// jsonLibrary has json.encode and json.parse. CEL's own ones have no bound on
// their cost, and depend on optional values.
type jsonLibrary struct{}

// CompileOptions declares the functions.
func (jsonLibrary) CompileOptions() []cel.EnvOption {
	return []cel.EnvOption{
		cel.Function("json.encode", cel.Overload("json_encode", []*cel.Type{cel.DynType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				value, err := toJSON(v)
				if err != nil {
					return types.WrapErr(err)
				}
				return types.String(JSON(value))
			}))),
		cel.Function("json.parse", cel.Overload("json_parse", []*cel.Type{cel.StringType}, cel.DynType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				var value any
				text, ok := v.(types.String)
				if !ok || json.Unmarshal([]byte(text), &value) != nil {
					return types.NewErr(errNotJSON)
				}
				return types.DefaultTypeAdapter.NativeToValue(value)
			}))),
	}
}

// ProgramOptions has none.
func (jsonLibrary) ProgramOptions() []cel.ProgramOption { return nil }

const errNotJSON = "the text is not JSON"
