// Package supervise starts the components in order, restarts those that exit
// and writes down what runs.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Times of the supervisor.
const (
	firstDelay = 250 * time.Millisecond // before the first restart
	lastDelay  = 10 * time.Second       // the longest time before a restart
	stable     = 30 * time.Second       // a run this long resets the delay
	probeEvery = 150 * time.Millisecond // while a component starts
	probeLimit = 3 * time.Second        // of one probe
)

// Component is one program.
type Component struct {
	Name string
	// Args are the program and its arguments.
	Args []string
	// Ready succeeds when the components after this one can be started. It is
	// asked after every start.
	Ready func(ctx context.Context) error
	// ReadyWithin is how long a start may take before the program is stopped
	// and started again.
	ReadyWithin time.Duration
	// StopWithin is how long the program may take to end by itself.
	StopWithin time.Duration
}

// Options configure a Supervisor.
type Options struct {
	// Waves are started one after the other; within a wave all at once.
	Waves [][]Component
	// Status is the file that says what runs.
	Status string
	// Log returns the path of a component's log.
	Log func(component string) string
	// Logger receives what the supervisor does.
	Logger *slog.Logger
}

// Supervisor runs components. Make it with New, call Run once.
type Supervisor struct {
	options Options
	board   *board
}

// New checks the options.
func New(options Options) (*Supervisor, error) {
	var names []string
	for _, component := range slices.Concat(options.Waves...) {
		if component.Ready == nil || component.ReadyWithin <= 0 || component.StopWithin <= 0 || len(component.Args) == 0 {
			return nil, fmt.Errorf("component %q needs arguments, a readiness check and time limits", component.Name)
		}
		names = append(names, component.Name)
	}
	board, err := newBoard(options.Status, names)
	if err != nil {
		return nil, err
	}
	return &Supervisor{options: options, board: board}, nil
}

// Run starts all components and keeps them running until ctx ends. Then it
// stops them in the reverse order and returns.
func (s *Supervisor) Run(ctx context.Context) error {
	var stops []func()
	for _, wave := range s.options.Waves {
		ready := make(chan struct{}, len(wave))
		waveContext, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var group sync.WaitGroup
		for _, component := range wave {
			group.Go(func() { s.keep(waveContext, component, ready) })
		}
		stops = append(stops, func() { cancel(); group.Wait() })
		if !awaitAll(ctx, ready, len(wave)) {
			break
		}
	}
	<-ctx.Done()
	if err := s.board.stopping(); err != nil {
		s.options.Logger.Error("cannot write the status", "error", err)
	}
	for _, stop := range slices.Backward(stops) {
		stop()
	}
	return s.board.remove()
}

// awaitAll waits for n signals; false means that ctx ended before.
func awaitAll(ctx context.Context, ready <-chan struct{}, n int) bool {
	for range n {
		select {
		case <-ready:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// keep runs a component again and again. It signals ready once, after the
// first successful start.
func (s *Supervisor) keep(ctx context.Context, c Component, ready chan<- struct{}) {
	delay := firstDelay
	once := sync.OnceFunc(func() { ready <- struct{}{} })
	for ctx.Err() == nil {
		begin := time.Now()
		err := s.runOnce(ctx, c, once)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begin) > stable {
			delay = firstDelay
		}
		s.options.Logger.Warn("component ended", "component", c.Name, "error", err, "restartIn", delay)
		s.set(c.Name, func(e *Entry) {
			e.State, e.PID, e.Message = Waiting, 0, fmt.Sprint(err)
			e.Restarts++
		})
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, lastDelay)
	}
}

// errNotReady ends a program that does not become ready.
var errNotReady = errors.New("not ready in time")

// runOnce starts the program and returns when it has ended.
func (s *Supervisor) runOnce(ctx context.Context, c Component, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd, err := s.start(ctx, c)
	if err != nil {
		return err
	}
	s.set(c.Name, func(e *Entry) { e.State, e.PID, e.Message = Starting, cmd.Process.Pid, "" })
	var probe sync.WaitGroup
	probe.Go(func() {
		if err := s.awaitReady(ctx, c); err != nil {
			cancel(err)
			return
		}
		s.set(c.Name, func(e *Entry) { e.State, e.Message = Ready, "" })
		ready()
	})
	err = cmd.Wait()
	cancel(nil)
	probe.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errNotReady) {
		return cause
	}
	if err == nil {
		return errors.New("exited")
	}
	return err
}

// start runs the program with its log as output. The log is opened by the
// program itself in append mode, so that it survives the supervisor and can be
// cut while it is written.
func (s *Supervisor) start(ctx context.Context, c Component) (*exec.Cmd, error) {
	log, err := os.OpenFile(s.options.Log(c.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", c.Name, err)
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = c.StopWithin
	err = cmd.Start()
	// The program has its own copy.
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return cmd, nil
}

// awaitReady asks until the component is ready, its time is over or ctx ends.
func (s *Supervisor) awaitReady(ctx context.Context, c Component) error {
	limit, cancel := context.WithTimeout(ctx, c.ReadyWithin)
	defer cancel()
	for {
		err := probe(limit, c)
		if err == nil {
			return nil
		}
		s.set(c.Name, func(e *Entry) { e.Message = err.Error() })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.Done():
			return fmt.Errorf("%w (%s): %w", errNotReady, c.ReadyWithin, err)
		case <-time.After(probeEvery):
		}
	}
}

func probe(ctx context.Context, c Component) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return c.Ready(ctx)
}

// set changes an entry of the status; a status that cannot be written must not
// stop the components.
func (s *Supervisor) set(name string, change func(*Entry)) {
	if err := s.board.set(name, change); err != nil {
		s.options.Logger.Error("cannot write the status", "error", err)
	}
}
