package server

import (
	"context"
	"time"
)

// Loop does something again and again: at start, when it is woken, and at
// least every so often.
type Loop struct {
	every time.Duration
	wake  chan struct{}
}

// NewLoop returns a loop that turns at least that often.
func NewLoop(every time.Duration) *Loop {
	return &Loop{every: every, wake: make(chan struct{}, 1)}
}

// Wake makes the loop turn soon. It never blocks; several wakes may be one.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run calls turn until ctx ends, one call after the other. It tells which turn
// was due by the clock, counted from 0, and gives -1 to those that were woken.
func (l *Loop) Run(ctx context.Context, turn func(ctx context.Context, due int)) {
	ticker := time.NewTicker(l.every)
	defer ticker.Stop()
	due := 0
	turn(ctx, due)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			due++
			turn(ctx, due)
		case <-l.wake:
			turn(ctx, -1)
		}
	}
}
