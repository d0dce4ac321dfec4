// Package progress tells a person what a long step is doing and for how long.
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
	now func() time.Time
}

// New returns a Printer that writes to out.
func New(out io.Writer) *Printer { return &Printer{out: out, now: time.Now} }

// Say prints one line.
func (p *Printer) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "cluster: "+format+"\n", args...) // nobody is left to tell
}

// Step runs do, and prints when it starts, every ten seconds while it runs, and
// how it ended. do may describe where it is by setting the Detail.
func (p *Printer) Step(ctx context.Context, what string, do func(context.Context, *Detail) error) error {
	begin := p.now()
	detail := &Detail{}
	p.Say("%s …", what)
	stop := p.tick(what, begin, detail)
	err := do(ctx, detail)
	stop()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.Say("%s: done in %s", what, p.since(begin))
	return nil
}

// tick prints the state of a step until the returned function is called.
func (p *Printer) tick(what string, begin time.Time, detail *Detail) (stop func()) {
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
				p.Say("%s … %s%s", what, p.since(begin), detail.suffix())
			}
		}
	})
	return func() { close(done); group.Wait() }
}

func (p *Printer) since(begin time.Time) time.Duration {
	return p.now().Sub(begin).Round(100 * time.Millisecond)
}

// Detail is the part of a step's line that changes while it runs.
type Detail struct {
	mu   sync.Mutex
	text string
}

// Set replaces the text.
func (d *Detail) Set(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = fmt.Sprintf(format, args...)
}

func (d *Detail) suffix() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text == "" {
		return ""
	}
	return ", " + d.text
}
