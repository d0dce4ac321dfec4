// Package expr compiles and evaluates the expressions of a flow: what stands
// between {{ and }} in a text, and conditions.
//
// The language is CEL with its extensions for strings, math and lists, base64,
// json.encode and json.parse. Numbers may be mixed freely: 2 * input.price
// works although every number of a JSON value is a double.
//
// Names in scope:
//
//	input            the run's input
//	now              the time at which the run started
//	flow             {title, name, workspace}
//	step["id"]       the main output of an earlier component
//	ports["id"].x    its output x; has(ports["id"].x) says whether it came
//	some_name        step[…] of the component whose name gives this identifier
//	item, index      inside of a for-each only
//
// Identifier says how a name becomes an identifier. A component that was
// skipped, or an output that did not come, is null.
//
// Values are data: what an expression yields is never evaluated again.
//
// Evaluation is bounded in cost, memory and time, whatever the values are. An
// expression that is only a path, like input.name or step["a"].items[0], is
// evaluated without CEL, with the same result.
package expr

import "time"

// Bounds of expressions.
const (
	// MaxExpression is the length of an expression in bytes.
	MaxExpression = 4096
	// MaxNodes is the number of parts of an expression, macros expanded.
	MaxNodes = 2000
	// MaxDepth is how deep an expression may nest.
	MaxDepth = 64
	// MaxPrograms is the number of expressions of one flow that are more than
	// a path.
	MaxPrograms = 2000
	// MaxSegments is the number of expressions in one text.
	MaxSegments = 1000
	// MaxCost bounds the work of one evaluation, in CEL's units.
	MaxCost = 1_000_000
	// MaxElements bounds the values that a function goes through and that an
	// evaluation gives, in elements of lists and objects and in tens of
	// characters.
	MaxElements = 4 << 20
	// MaxResult bounds the lists, objects and values that an evaluation makes.
	MaxResult = 1 << 20
	// MaxText bounds a text that a function of texts works on, in bytes.
	MaxText = 1 << 20
	// MaxList bounds a list that a function makes or sorts.
	MaxList = 100_000
	// MaxTime bounds the time of one evaluation. Time in which the whole
	// process stands still counts little.
	MaxTime = 100 * time.Millisecond
	// MaxValueDepth is how deep a value may nest.
	MaxValueDepth = 500
)
