package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/weft-run/weft/portal/server"
)

func TestLoop(t *testing.T) {
	t.Parallel()
	loop := server.NewLoop(time.Hour)
	turns := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loop.Run(ctx, func(ctx context.Context, due int) {
			select {
			case turns <- due:
			case <-ctx.Done():
			}
		})
	}()
	if first := <-turns; first != 0 {
		t.Errorf("the first turn is %d, want 0", first)
	}
	for range 100 {
		loop.Wake() // never blocks
	}
	if woken := <-turns; woken != -1 {
		t.Errorf("a woken turn is %d, want -1", woken)
	}
	cancel()
	<-ended
}

func TestLoopByTheClock(t *testing.T) {
	t.Parallel()
	loop := server.NewLoop(time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last := -1
	loop.Run(ctx, func(_ context.Context, due int) {
		if due != last+1 {
			t.Errorf("turn %d after %d", due, last)
		}
		if last = due; due == 3 {
			cancel()
		}
	})
}
