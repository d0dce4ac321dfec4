package engine

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// CredentialSource gives the secret value that a component's credential names.
// An error that is a *catalog.Error is the component's error as it is.
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
	// Now is the clock of events and expressions. Default time.Now.
	Now func() time.Time
	// Log gets what a person who runs Weft should know: a component that
	// panicked. Default slog.Default().
	Log *slog.Logger
	// Leaks counts components that ignore that their time is over. Runners of
	// one process share it; default one of its own.
	Leaks *Leaks
}

// Limits of one run. Zero means the default, named with each.
type Limits struct {
	// RunTimeout bounds the whole run: what the flow says, or 60s.
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
	// Leaked bounds the components that go on after their time is over because
	// they ignore it; new runs are refused at it: 64.
	Leaked int64
}

// withDefaults fills in what is not set. The flow's own timeout comes before
// the default.
func (l Limits) withDefaults(flowTimeout time.Duration) Limits {
	l.RunTimeout = cmp.Or(l.RunTimeout, flowTimeout, time.Minute)
	l.ComponentTimeout = cmp.Or(l.ComponentTimeout, time.Minute)
	l.ValueBytes = cmp.Or(l.ValueBytes, 16<<20)
	l.RunBytes = cmp.Or(l.RunBytes, 64<<20)
	l.Executions = cmp.Or(l.Executions, 10_000)
	l.Parallel = cmp.Or(l.Parallel, 16)
	l.Leaked = cmp.Or(l.Leaked, 64)
	return l
}

// Leaks counts the components that still run after their time was over. Each
// holds a goroutine until it returns.
type Leaks struct{ count atomic.Int64 }

// Count returns how many there are now.
func (l *Leaks) Count() int64 { return l.count.Load() }
