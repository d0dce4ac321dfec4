package engine

import (
	"context"
	"sync"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/graph"
)

// run is one execution of a plan.
type run struct {
	runner  *Runner
	plan    *graph.Plan
	id      string
	input   any
	now     time.Time // for expressions
	started time.Time // for durations
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{} // closed when the run is over
	poke    chan struct{} // wakes the watching goroutine

	mu         sync.Mutex
	steps      []stepState
	queue      []int // steps that may run, but have no goroutine yet
	active     int   // goroutines that run steps
	running    int   // steps that have started and not settled
	unsettled  int
	bytes      int64
	executions int
	tokens     int64
	stopped    *failure // why the run ends early
	stoppedAt  time.Time
	ended      bool
	errors     []RunError

	emitting sync.Mutex
	sink     func(Event)
	seq      int64
	closed   bool
}

// stepState is how far a step is. Its outputs may be read without the lock by
// the steps that waited for it.
type stepState struct {
	waits   int
	busy    bool // it has started and not settled
	settled bool
	outputs catalog.Outputs // nil where it was skipped
	current *execution
}

// execution is one try of a step.
type execution struct {
	step      int
	started   time.Time
	ctx       callContext
	timeout   time.Duration
	abandoned bool
	tokens    int64
	emitted   int64
	inputs    map[string]any
	call      catalog.Call
}

// progress is what follows from a step that has settled: steps that may run
// now, and steps that are skipped.
type progress struct {
	first   int // of those that are ready, or -1
	ready   []int
	skipped []int
}

func (p *progress) add(step int) {
	if p.first < 0 {
		p.first = step
		return
	}
	p.ready = append(p.ready, step)
}

// activate decides what becomes of a step that waits for nothing any more, and
// of those behind it that are skipped with it. The lock is held.
func (r *run) activate(step int, p *progress) {
	if r.wanted(step) {
		p.add(step)
		return
	}
	work := []int{step}
	for len(work) > 0 {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		p.skipped = append(p.skipped, i)
		r.settled(i, nil)
		for _, n := range r.plan.Steps[i].Next {
			switch {
			case !r.release(n):
			case r.wanted(n):
				p.add(n)
			default:
				work = append(work, n)
			}
		}
	}
}

// settled notes the outputs of a step. The lock is held.
func (r *run) settled(step int, outputs catalog.Outputs) {
	s := &r.steps[step]
	if s.busy {
		r.running--
	}
	s.outputs, s.settled, s.busy, s.current = outputs, true, false, nil
	r.unsettled--
}

// release counts that one of the steps that a step waits for has settled, and
// says whether it was the last.
func (r *run) release(step int) bool {
	r.steps[step].waits--
	return r.steps[step].waits == 0
}

// wanted says whether a step that waits for nothing any more runs: a trigger,
// if the run starts there; a step with edges, if one of them delivered; a step
// that only reads others, if one of those has something to read; and one that
// depends on nothing.
func (r *run) wanted(step int) bool {
	s := &r.plan.Steps[step]
	switch {
	case s.Type.Trigger:
		return step == r.runner.start
	case len(s.In) > 0:
		for i := range s.In {
			if _, ok := r.Value(s.In[i].From, s.In[i].FromPort); ok {
				return true
			}
		}
		return false
	}
	for _, read := range s.Reads {
		if _, ok := r.Value(read.Step, read.Port); ok {
			return true
		}
	}
	return len(s.Reads) == 0
}

// proceed tells of skipped steps and starts those that are ready. It returns
// the one that the caller should run itself, if the caller is a worker.
func (r *run) proceed(p *progress, worker bool) int {
	for _, i := range p.skipped {
		r.emit(Event{Type: ComponentFinished, Component: r.plan.Steps[i].ID, Name: r.plan.Steps[i].Name, Status: Skipped})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	own := -1
	if r.stopped == nil {
		own = p.first
		if own >= 0 && !worker {
			r.queue = append(r.queue, own)
			own = -1
		}
		r.queue = append(r.queue, p.ready...)
	}
	if worker && own < 0 {
		if own = r.take(); own < 0 {
			r.active--
		}
	}
	for len(r.queue) > 0 && r.active < r.runner.opts.Limits.Parallel {
		r.active++
		go r.work(r.take())
	}
	return own
}

// take removes the first step of the queue; it is -1 where there is none.
func (r *run) take() int {
	if len(r.queue) == 0 {
		return -1
	}
	step := r.queue[0]
	r.queue = r.queue[1:]
	return step
}

// work runs a step and whatever follows from it.
func (r *run) work(step int) {
	for step >= 0 {
		step = r.perform(step)
	}
}

// perform executes a step, notes what came of it, and returns the step that
// this goroutine runs next, or -1.
func (r *run) perform(step int) int {
	outcome, ok := r.execute(step)
	if !ok {
		return -1
	}
	return r.settle(step, outcome, true)
}

// settle notes the outcome of a step and lets the next ones run.
func (r *run) settle(step int, o outcome, worker bool) int {
	next := progress{first: -1}
	r.mu.Lock()
	switch {
	case o.failure == nil || o.outputs != nil:
	case o.failure.code == v1alpha1.ErrorCanceled:
		r.stopLocked(errCanceled, "") // it is the run that was canceled
	default:
		r.stopLocked(o.failure, r.plan.Steps[step].ID)
	}
	if !r.steps[step].settled {
		r.settled(step, o.outputs)
		if r.stopped == nil {
			for _, n := range r.plan.Steps[step].Next {
				if r.release(n) {
					r.activate(n, &next)
				}
			}
		}
	}
	r.endIfSettled()
	r.mu.Unlock()
	return r.proceed(&next, worker)
}

// stop ends the run early. The first reason counts.
func (r *run) stop(f *failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopLocked(f, "")
	r.endIfSettled()
}

func (r *run) stopLocked(f *failure, component string) {
	if r.stopped != nil || r.ended {
		return
	}
	r.stopped, r.stoppedAt = f, time.Now()
	r.errors = append(r.errors, RunError{Component: component, Code: f.code, Message: f.message})
	r.queue = nil
	r.cancel()
	select {
	case r.poke <- struct{}{}:
	default: // it will look anyway
	}
}

// endIfSettled ends the run when nothing is left to do. The lock is held.
func (r *run) endIfSettled() {
	if !r.ended && r.running == 0 && (r.unsettled == 0 || r.stopped != nil) {
		r.ended = true
		close(r.done)
	}
}

// Input of the run, as it left the trigger. Whoever reads it waits for that one.
func (r *run) Input() any {
	if start := r.runner.start; start >= 0 {
		if value, ok := r.Value(start, r.plan.Steps[start].Main); ok {
			return value
		}
	}
	return r.input
}

// Value of an output of a step that has settled, and whether it came.
func (r *run) Value(step int, port string) (any, bool) {
	value, ok := r.steps[step].outputs[port]
	return value, ok
}

// Now is the time at which the run started.
func (r *run) Now() time.Time { return r.now }

// Flow has the title, name and workspace of the flow.
func (r *run) Flow() map[string]any { return r.runner.flow }

// result is the value of the run: that of its output, or an object of them by
// name where there are several. In a test of a flow without output, the last
// steps take their place.
func (r *run) result() any {
	steps := r.plan.Terminals
	if len(steps) == 0 && r.runner.opts.Test {
		steps = r.plan.Leaves
	}
	if len(steps) == 1 {
		value, _ := r.given(steps[0])
		return value
	}
	if len(steps) == 0 {
		return nil
	}
	values := make(map[string]any, len(steps))
	for _, i := range steps {
		if value, ok := r.given(i); ok {
			values[r.plan.Steps[i].Key] = value
		}
	}
	return values
}

// given is the value of the first output that came, and whether one did.
func (r *run) given(step int) (any, bool) {
	s := &r.plan.Steps[step]
	if value, ok := r.Value(step, s.Main); ok {
		return value, true
	}
	for i := range s.Type.Outputs {
		if value, ok := r.Value(step, s.Type.Outputs[i].Name); ok {
			return value, true
		}
	}
	return nil, false
}

// emit sends an event, numbered, unless the run is over for the sink.
func (r *run) emit(e Event) {
	if r.sink == nil {
		return
	}
	r.emitting.Lock()
	defer r.emitting.Unlock()
	r.send(e)
}

// send is emit with the lock held.
func (r *run) send(e Event) {
	if r.sink == nil || r.closed {
		return
	}
	r.seq++
	e.Seq, e.Run, e.Time = r.seq, r.id, r.runner.opts.Now()
	r.sink(e)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// message of the error port.
func errorValue(step *graph.Step, f *failure) map[string]any {
	return map[string]any{"code": string(f.code), "message": f.message, "component": step.ID}
}
