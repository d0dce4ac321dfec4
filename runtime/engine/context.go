package engine

import (
	"context"
	"sync"
	"time"
)

// callContext is the context of one execution of a component: that of the run,
// with a deadline. Most components never ask for its channel, so the timer
// behind it is made when somebody does.
type callContext struct {
	run      context.Context
	deadline time.Time

	mu     sync.Mutex
	inner  context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	over   error // why the execution is over, once it is
}

// Deadline returns when the execution must be over.
func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Value returns a value of the run's context.
func (c *callContext) Value(key any) any { return c.run.Value(key) }

// Done returns a channel that is closed when the time is over or the run ends.
func (c *callContext) Done() <-chan struct{} { return c.real().Done() }

// Err says whether Done is closed.
func (c *callContext) Err() error {
	c.mu.Lock()
	inner, over := c.inner, c.over
	c.mu.Unlock()
	switch {
	case inner != nil:
		return inner.Err()
	case over != nil:
		return context.Canceled
	case c.run.Err() != nil:
		return c.run.Err()
	case !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

func (c *callContext) real() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		timed, stop := context.WithDeadline(c.run, c.deadline)
		c.inner, c.cancel = context.WithCancelCause(timed)
		c.stop = stop
		if c.over != nil {
			c.end()
		}
	}
	return c.inner
}

// finish ends the context with a cause; the first one counts.
func (c *callContext) finish(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = cause
	}
	if c.inner != nil {
		c.end()
	}
}

func (c *callContext) end() {
	c.cancel(c.over)
	c.stop()
}

// cause says why the execution was ended early, nil where it was not.
func (c *callContext) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}
