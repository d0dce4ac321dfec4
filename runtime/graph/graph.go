// Package graph is the flow model: it decodes a flow, validates it against a
// catalogue of component types, and compiles it into an immutable plan that the
// engine executes. The editor, the portal, the operator and the runtime all use
// this one validator.
package graph

import "github.com/weft-run/weft/api/v1alpha1"

// Problem is one error of a flow.
type Problem struct {
	// Component is the id of the component that has it, empty where the error
	// is not one of a component.
	Component string `json:"component"`
	// Field is the path of the field, for example params.prompt or
	// edges[3].target.
	Field string `json:"field"`
	// Code is one of the Code constants.
	Code string `json:"code"`
	// Message says in plain words what is wrong and what to do.
	Message string `json:"message"`
}

// The codes of problems. The list is closed.
const (
	CodeRequired         = "Required"         // something that must be there is absent
	CodeUnknown          = "Unknown"          // a name that nothing has: a type, a field, a port
	CodeInvalid          = "Invalid"          // a value that breaks a rule
	CodeDuplicate        = "Duplicate"        // an id or a key that is there twice
	CodeCycle            = "Cycle"            // components that wait for each other
	CodeTypeMismatch     = "TypeMismatch"     // a port or param that gets a value of another type
	CodeUnknownReference = "UnknownReference" // an edge, parent or expression that names nothing
	CodeLaterReference   = "LaterReference"   // an expression that reads a component that runs later
	CodeExpression       = "Expression"       // an expression that cannot be understood
	CodeTooLarge         = "TooLarge"         // more, longer or deeper than allowed
	CodeOrphan           = "Orphan"           // a component that no run would ever reach
	CodeCredential       = "Credential"       // a key that is missing, or not wanted
)

// Revision is what a runtime pod executes: one immutable version of a flow.
type Revision struct {
	// Workspace and Name of the Flow object.
	Workspace string `json:"workspace"`
	Name      string `json:"name"`
	// UID of the Flow object, the audience of request tokens.
	UID string `json:"uid"`
	// Revision is the Hash of Flow.
	Revision string            `json:"revision"`
	Flow     v1alpha1.FlowSpec `json:"flow"`
}
