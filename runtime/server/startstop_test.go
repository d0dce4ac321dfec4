package server

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStartAndStop holds promise R12: a server that is told to end does so,
// whenever that is, and leaves its ports free.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for round := range 10 {
				f := newFixture(t, ModeFlow, textFlow, func(c *Config) { c.Listen, c.MetricsListen = "127.0.0.1:0", "127.0.0.1:0" })
				s, err := New(f.cfg, discard())
				if err != nil {
					t.Errorf("making a server: %v", err)
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*round)*time.Millisecond)
				err = s.Run(ctx)
				cancel()
				// A server that was told to end before it began may find that
				// it cannot listen any more.
				if err != nil && !strings.Contains(err.Error(), "listening") {
					t.Errorf("running: %v", err)
				}
			}
		})
	}
	all.Wait()
}

func TestAPortThatIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	defer func() { _ = taken.Close() }()
	f := newFixture(t, ModeFlow, textFlow, func(c *Config) { c.Listen, c.MetricsListen = taken.Addr().String(), "127.0.0.1:0" })
	s, err := New(f.cfg, discard())
	if err != nil {
		t.Fatalf("making a server: %v", err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listening for runs") {
		t.Errorf("got %v, want a word on the port", err)
	}
}
