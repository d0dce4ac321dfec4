// Package progress tells a person what a long command is doing.
package progress

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// interval is how often a running step says that it still runs.
const interval = 10 * time.Second

// Printer writes one line per event. It is safe for concurrent use.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
}

// New returns a Printer that writes to out.
func New(out io.Writer) *Printer { return &Printer{out: out} }

// Say prints one line.
func (p *Printer) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "weft: "+format+"\n", args...) // nobody is left to tell
}

// Step runs do and prints when it starts, every ten seconds while it runs, and
// how long it took. An error is returned with the step's name before it.
func (p *Printer) Step(ctx context.Context, what string, do func(context.Context) error) error {
	begin := time.Now()
	p.Say("%s …", what)
	stop := p.tick(what, begin)
	err := do(ctx)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.Say("%s: done in %s", what, time.Since(begin).Round(100*time.Millisecond))
	return nil
}

// tick prints that a step goes on until the returned function is called.
func (p *Printer) tick(what string, begin time.Time) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.Say("%s … %s", what, time.Since(begin).Round(time.Second))
			}
		}
	})
	return func() { close(done); group.Wait() }
}
