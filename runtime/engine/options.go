package engine

import (
	"context"
	"net/http"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// CredentialSource gives the secret value that a component's credential names.
type CredentialSource interface {
	Resolve(ctx context.Context, c *v1alpha1.Credential) (catalog.Secret, error)
}

// Options of a Runner. The zero value has every limit at its default.
type Options struct {
	// Credentials of components; may be nil where no component has one.
	Credentials CredentialSource
	// HTTP is the guarded client that components get.
	HTTP *http.Client
	// Limits of each run.
	Limits Limits
	// Name and Workspace of the flow, as expressions see them.
	Name      string
	Workspace string
	// Start is the id of the trigger at which runs start. Default: the first.
	Start string
	// Test puts inputs and outputs into events, and gives the values of the
	// last components as the result where the flow has no output.
	Test bool
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Limits of one run. Zero means the default, named with each.
type Limits struct {
	// RunTimeout bounds the whole run: 60s, or what the flow says.
	RunTimeout time.Duration
	// ComponentTimeout bounds one execution of a component where neither the
	// flow nor the component's type says: 60s.
	ComponentTimeout time.Duration
	// ValueBytes bounds one value: 16 MiB.
	ValueBytes int64
	// RunBytes bounds all values of a run together: 64 MiB.
	RunBytes int64
	// Executions bounds how often components are executed in a run, retries
	// counted: 10,000.
	Executions int
	// Tokens bounds the tokens of models: no bound.
	Tokens int64
	// Parallel bounds the components of a run that are executed at the same
	// time: 16.
	Parallel int
	// Leaked bounds the components of this Runner that go on after their time
	// is over because they ignore it; new runs are refused above it: 64.
	Leaked int
}
