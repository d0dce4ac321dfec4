// Package engine executes compiled flows.
//
// A run starts at one trigger. A component runs when everything that it waits
// for has settled and one of its edges delivered; if none did, it is skipped.
// A chain of components runs on one goroutine; where the flow branches, further
// ones are started, up to a bound. The goroutine that called Run only watches:
// it ends the run when time is over or the caller is gone, and goes on without
// a component that does not stop.
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/graph"
)

// Runner executes a plan. It is immutable and used by many runs at once.
type Runner struct {
	plan  *graph.Plan
	opts  Options
	start int
	flow  map[string]any
	// tick is the shortest timeout of all components: no execution can be late
	// before that time has passed since it started.
	tick time.Duration
	// grace is how long a component may take to stop after its time is over.
	grace time.Duration
}

// New returns a runner of the plan.
func New(plan *graph.Plan, opts Options) *Runner {
	opts.Limits = opts.Limits.withDefaults(plan.RunTimeout)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Leaks == nil {
		opts.Leaks = new(Leaks)
	}
	r := &Runner{
		plan: plan, opts: opts, start: -1, tick: opts.Limits.RunTimeout, grace: 200 * time.Millisecond,
		flow: map[string]any{"title": plan.Title, "name": opts.Name, "workspace": opts.Workspace},
	}
	for _, i := range plan.Triggers {
		if r.start < 0 || plan.Steps[i].ID == opts.Start {
			r.start = i
		}
	}
	for i := range plan.Steps {
		r.tick = min(r.tick, r.timeout(i))
	}
	return r
}

// timeout of one execution of a step.
func (r *Runner) timeout(step int) time.Duration {
	if t := r.plan.Steps[step].Timeout; t > 0 {
		return t
	}
	return r.opts.Limits.ComponentTimeout
}

// Run executes the plan once. The input is a JSON value. The sink, which may be
// nil, is called with each event in order, never by two goroutines at a time
// and never after Run has returned; it must return soon. A component that is
// tried again starts again, with an event of its own.
func (r *Runner) Run(ctx context.Context, input any, sink func(Event)) Result {
	run := r.newRun(ctx, input, sink)
	run.emit(Event{Type: RunStarted})
	run.begin()
	run.watch(ctx)
	return run.finish()
}

func (r *Runner) newRun(ctx context.Context, input any, sink func(Event)) *run {
	run := &run{
		runner: r, plan: r.plan, input: input, sink: sink, id: rand.Text(),
		now: r.opts.Now(), started: time.Now(),
		steps: make([]stepState, len(r.plan.Steps)), unsettled: len(r.plan.Steps),
		done: make(chan struct{}), poke: make(chan struct{}, 1),
	}
	run.ctx, run.cancel = context.WithCancel(ctx)
	for i := range run.steps {
		run.steps[i].waits = r.plan.Steps[i].Waits
	}
	return run
}

// begin starts the steps that wait for nothing.
func (r *run) begin() {
	if f := r.refuse(); f != nil {
		r.stop(f)
		return
	}
	next := progress{first: -1}
	r.mu.Lock()
	for i := range r.steps {
		if r.plan.Steps[i].Waits == 0 {
			r.activate(i, &next)
		}
	}
	r.endIfSettled()
	r.mu.Unlock()
	r.proceed(&next, false)
}

// refuse says why the run cannot even start.
func (r *run) refuse() *failure {
	limits := &r.runner.opts.Limits
	if r.runner.opts.Leaks.Count() >= limits.Leaked {
		return failf(v1alpha1.ErrorRateLimited, "steps of earlier runs do not stop; try again later")
	}
	size, err := measure(r.input, limits.ValueBytes)
	switch {
	case errors.Is(err, errValueTooLarge):
		return failf(v1alpha1.ErrorTooLarge, "the input is larger than %d bytes; send less", limits.ValueBytes)
	case err != nil:
		return failf(v1alpha1.ErrorInvalidInput, "the input is not a JSON value, or nests too deep")
	}
	r.bytes = size
	return nil
}

// watch waits until the run is over, and sees to it that it ends in time.
func (r *run) watch(ctx context.Context) {
	timer := time.NewTimer(r.check())
	defer timer.Stop()
	canceled := ctx.Done()
	for {
		select {
		case <-r.done:
			return
		case <-canceled:
			canceled = nil
			r.stop(errCanceled)
		case <-r.poke:
		case <-timer.C:
		}
		timer.Reset(r.check())
	}
}

// check ends what is late, and returns when to look again.
func (r *run) check() time.Duration {
	now := time.Now()
	limits := &r.runner.opts.Limits
	end := r.started.Add(limits.RunTimeout)
	if !now.Before(end) {
		r.stop(failf(v1alpha1.ErrorTimeout, "the run took longer than %s; raise the flow's runTimeout, or let it do less", limits.RunTimeout))
	}
	next := now.Add(r.runner.tick + r.runner.grace)
	if now.Before(end) && end.Before(next) {
		next = end
	}
	for {
		late, wake := r.late(now, next)
		if late == nil {
			return max(wake.Sub(now), time.Millisecond)
		}
		r.abandon(late)
	}
}

// finish ends the event stream and returns the result.
func (r *run) finish() Result {
	r.cancel()
	r.mu.Lock()
	result := Result{Run: r.id, Status: Succeeded, Errors: r.errors, Tokens: r.tokens}
	if r.stopped != nil {
		result.Status = Failed
		if r.stopped.code == v1alpha1.ErrorCanceled {
			result.Status = Canceled
		}
	} else {
		result.Value = r.result()
	}
	r.mu.Unlock()
	r.emit(Event{
		Type: RunFinished, Status: result.Status, DurationMs: milliseconds(time.Since(r.started)),
		Tokens: result.Tokens, Result: result.Value, Errors: result.Errors,
	})
	r.emitting.Lock()
	r.closed = true
	r.emitting.Unlock()
	return result
}
