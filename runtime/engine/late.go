package engine

import (
	"fmt"
	"time"
)

// late returns an execution that has not stopped although its time is over, and
// when to look again. It is nil where there is none.
func (r *run) late(now, next time.Time) (*execution, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.steps {
		e := r.steps[i].current
		if e == nil {
			continue
		}
		limit := e.ctx.deadline.Add(r.runner.grace)
		if r.stopped != nil {
			if s := r.stoppedAt.Add(r.runner.grace); s.Before(limit) {
				limit = s
			}
		}
		if !now.Before(limit) {
			return e, now
		}
		if limit.Before(next) {
			next = limit
		}
	}
	return nil, next
}

// abandon goes on without an execution that does not stop. Its goroutine counts
// as leaked until it returns.
func (r *run) abandon(e *execution) {
	r.mu.Lock()
	if e.abandoned || r.steps[e.step].current != e {
		r.mu.Unlock()
		return
	}
	e.abandoned = true
	r.runner.opts.Leaks.count.Add(1)
	r.steps[e.step].current = nil
	r.active--
	f := tooLong(e.timeout)
	if r.stopped != nil {
		f = errCanceled
	}
	r.mu.Unlock()
	e.ctx.finish(f)
	o := r.handled(e.step, f)
	r.finished(e, o.outputs, f)
	r.settle(e.step, o, false)
}

// lost goes on after a component that ended the goroutine it ran on.
func (r *run) lost(e *execution) {
	if !r.close(e) {
		return
	}
	o := r.handled(e.step, errPanicked)
	r.finished(e, o.outputs, errPanicked)
	r.mu.Lock()
	r.active--
	r.mu.Unlock()
	r.settle(e.step, o, false)
}

// panicked logs where a component broke, without the values of the run.
func (r *run) panicked(step int, value any, stack []byte) {
	r.runner.opts.Log.Error("component panicked", "run", r.id, "component", r.plan.Steps[step].ID,
		"type", r.plan.Steps[step].Type.Type, "panic", fmt.Sprintf("%T", value), "stack", string(stack))
}
