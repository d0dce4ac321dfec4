package expr

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/ext"
)

// Variables of the CEL environment that only rewriting uses: no source can
// name them.
const (
	valuesVar = "@values" // the values of the expression's references
	cameVar   = "@came"   // whether they came
)

// language is the CEL environment with the functions that this package guards.
// It is built when the first expression needs it, once.
type language struct {
	env *cel.Env
	// guarded has the bindings that replace those of a function, by its name.
	guarded map[string][]*functions.Overload
}

var theLanguage = sync.OnceValues(newLanguage)

func newLanguage() (*language, error) {
	env, err := cel.NewEnv(append(equality(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ParserRecursionLimit(MaxDepth),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(MaxNodes),
		cel.RegexProgramSizeLimit(1000),
		ext.Strings(), ext.Math(), ext.Lists(ext.ListsMaxRangeSize(MaxList)), ext.Encoders(ext.EncodersVersion(0)),
		cel.Variable(valuesVar, cel.ListType(cel.DynType)),
		cel.Variable(cameVar, cel.ListType(cel.BoolType)),
		cel.Variable("input", cel.DynType),
		cel.Variable("now", cel.TimestampType),
		cel.Variable("flow", cel.MapType(cel.StringType, cel.StringType)),
		jsonFunctions(),
		mixed(operators.Add, "add"),
		mixed(operators.Subtract, "subtract"),
		mixed(operators.Multiply, "multiply"),
		mixed(operators.Divide, "divide"),
		mixed(operators.Modulo, "modulo", cel.Overload("modulo_double",
			[]*cel.Type{cel.DoubleType, cel.DoubleType}, cel.DoubleType)),
	)...)
	if err != nil {
		return nil, fmt.Errorf("making the language: %w", err)
	}
	l := &language{env: env, guarded: map[string][]*functions.Overload{}}
	return l, l.guard()
}

// mixed declares an operator for a double and an int, in either order.
func mixed(operator, name string, more ...cel.FunctionOpt) cel.EnvOption {
	return cel.Function(operator, append(more,
		cel.Overload(name+"_double_int64", []*cel.Type{cel.DoubleType, cel.IntType}, cel.DoubleType),
		cel.Overload(name+"_int64_double", []*cel.Type{cel.IntType, cel.DoubleType}, cel.DoubleType),
	)...)
}
