package expr

import (
	"context"
	"sync"
	"time"
)

// timeLimit ends a context after MaxTime. The time is counted in ticks: where
// the process is kept from running, many ticks become one, so that a busy
// machine does not make an innocent expression fail.
type timeLimit struct {
	cancel context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	ticks int
}

const ticksOfMaxTime = 5

// limitTime returns a context that ends after MaxTime, or when it is stopped.
func limitTime(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	l := &timeLimit{cancel: cancel}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(MaxTime/ticksOfMaxTime, l.tick)
	return ctx, l.stop
}

func (l *timeLimit) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ticks++; l.ticks >= ticksOfMaxTime {
		l.cancel()
		return
	}
	l.timer.Reset(MaxTime / ticksOfMaxTime)
}

// stop ends the context and its timer.
func (l *timeLimit) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticks = ticksOfMaxTime
	l.timer.Stop()
	l.cancel()
}
