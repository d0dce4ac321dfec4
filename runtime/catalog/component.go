package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Component is a component type: data plus one function. It is immutable and
// used by many runs at once.
type Component struct {
	Spec
	// Timeout of one execution where the flow names none.
	Timeout time.Duration
	// Validate checks params beyond what Spec says; it may be nil. The params
	// have defaults filled in; texts with expressions are not evaluated yet.
	Validate func(params Params) []FieldProblem
	// Run executes the component once. It must return soon after ctx ends.
	Run func(ctx context.Context, call *Call) (Outputs, error)
}

// FieldProblem is an error in a param.
type FieldProblem struct {
	Field   string
	Message string
}

// Params are a component's settings as JSON values: nil, bool, float64, string,
// []any, map[string]any.
type Params map[string]any

// Outputs are the values that a component delivers, by port. A port that is
// absent is skipped: edges that leave it deliver nothing.
type Outputs map[string]any

// Main returns outputs that deliver one value out of the main port.
func Main(value any) Outputs { return Outputs{MainPort: value} }

// Call is one execution of a component.
type Call struct {
	// Params with defaults filled in and expressions evaluated.
	Params Params
	// Templated holds the names of the params whose text names at least one
	// value by {{ … }}; nil means none.
	Templated map[string]bool
	// Inputs are the delivered values by input port; a port into which nothing
	// was delivered is absent. Where several edges enter one port, the value
	// is the last one in the order of the flow's edges.
	Inputs map[string]any
	// Run is what the component may know of the run.
	Run RunInfo
	// Credential is the secret value, empty where the component has none.
	Credential Secret
	// HTTP is the guarded client: it reaches only what the workspace may reach.
	HTTP *http.Client
	// Emit streams a piece of text out of the main port. The component still
	// returns the whole text in the end.
	Emit func(text string)
	// AddTokens reports tokens of a model that were used; it may be called
	// several times. Where the run's budget is used up, ctx ends.
	AddTokens func(tokens int64)
}

// RunInfo is what a component may know of the run that it is part of.
type RunInfo struct {
	// Input of the run.
	Input any
	// Flow is the title of the flow.
	Flow string
	// Now is the time at which the run started.
	Now time.Time
}

// Secret is a credential. Printing, logging or encoding it gives no part of
// it; only Reveal does. The value is behind a pointer, because fmt reads the
// unexported fields of a surrounding struct without calling any method.
type Secret struct{ value *string }

// NewSecret returns a secret that holds the value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the value. Callers hand it to the service that it is for, and
// to nothing else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty says whether there is no value.
func (s Secret) Empty() bool { return s.Reveal() == "" }

const redacted = "[secret]"

// String returns a fixed text.
func (Secret) String() string { return redacted }

// Format writes a fixed text, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns a fixed text.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText returns a fixed text.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Error is a failure that a person can act on. Message says what to do next and
// contains neither keys nor values of the user; Cause is for logs of tests only
// and never leaves the process.
type Error struct {
	Code    v1alpha1.ErrorCode
	Message string
	Cause   error
	// RetryAfter is how long an upstream service asked to wait, if it did.
	RetryAfter time.Duration
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
