package engine

import (
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// outcome is what came of a step: outputs, or a failure, or both where the
// failure is handled.
type outcome struct {
	outputs catalog.Outputs
	failure *failure
}

// execute runs a step, again if it may be tried again. It is not ok where the
// run went on without it.
func (r *run) execute(step int) (outcome, bool) {
	s := &r.plan.Steps[step]
	var last *execution
	for try := 0; ; try++ {
		e := r.open(step)
		if e == nil {
			if last != nil {
				r.finished(last, nil, errCanceled)
			}
			return outcome{failure: errCanceled}, true
		}
		last = e
		outputs, f := r.try(e)
		if !r.close(e) {
			return outcome{}, false
		}
		if f == nil {
			r.finished(e, outputs, nil)
			return outcome{outputs: outputs}, true
		}
		if try < s.OnError.Retries && f.retryable() && r.pause(backoff(s.OnError.Backoff, try, f.retryAfter)) {
			continue
		}
		o := r.handled(step, f)
		r.finished(e, o.outputs, f)
		return o, true
	}
}

// open begins an execution; it is nil where the run has ended. The start is
// told before the execution can be late, so that its end never comes first.
func (r *run) open(step int) *execution {
	if !r.admit(step) {
		return nil
	}
	if r.sink != nil {
		r.emit(Event{Type: ComponentStarted, Component: r.plan.Steps[step].ID, Name: r.plan.Steps[step].Name})
	}
	now, timeout := time.Now(), r.runner.timeout(step)
	e := &execution{step: step, started: now, timeout: timeout, ctx: callContext{run: r.ctx, deadline: now.Add(timeout)}}
	r.mu.Lock()
	r.steps[step].current = e
	r.mu.Unlock()
	return e
}

// admit counts an execution. It is false where the run has ended, or executes
// no more.
func (r *run) admit(step int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if limit := r.runner.opts.Limits.Executions; r.stopped == nil && r.executions >= limit {
		r.stopLocked(failf(v1alpha1.ErrorBudgetExceeded, "the run executed more than %d steps", limit), r.plan.Steps[step].ID)
	}
	if r.stopped != nil {
		return false
	}
	r.executions++
	if state := &r.steps[step]; !state.busy {
		state.busy = true
		r.running++
	}
	return true
}

// close ends an execution. It is false where the run went on without it.
func (r *run) close(e *execution) bool {
	e.ctx.finish(errFinished)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.abandoned {
		r.runner.opts.Leaks.count.Add(-1)
		return false
	}
	r.steps[e.step].current = nil
	return true
}

// try calls the component once.
func (r *run) try(e *execution) (catalog.Outputs, *failure) {
	call, f := r.prepare(e)
	if f != nil {
		return nil, f
	}
	outputs, err := r.invoke(e, call)
	if err != nil {
		return nil, failureOf(err, &e.ctx, e.timeout)
	}
	return r.accept(e, outputs)
}

// prepare gathers what the component gets.
func (r *run) prepare(e *execution) (*catalog.Call, *failure) {
	s := &r.plan.Steps[e.step]
	params, paramErr := s.Params.Evaluate(&e.ctx, r, r.runner.opts.Limits.ValueBytes)
	if paramErr != nil {
		return nil, paramFailure(paramErr)
	}
	inputs := r.inputs(e.step)
	r.mu.Lock()
	e.inputs = inputs // whoever abandons the execution shows them
	r.mu.Unlock()
	e.call = catalog.Call{
		Params:    params,
		Templated: s.Templated,
		Inputs:    inputs,
		Run:       catalog.RunInfo{Input: r.input, Flow: r.plan.Title, Now: r.now},
		HTTP:      r.runner.opts.HTTP,
		Emit:      func(text string) { r.delta(e, text) },
		AddTokens: func(tokens int64) { r.addTokens(e, tokens) },
	}
	call := &e.call
	if s.Credential == nil {
		return call, nil
	}
	if r.runner.opts.Credentials == nil {
		return nil, failf(v1alpha1.ErrorUnauthorized, "the step needs a key, but this runtime has none")
	}
	secret, err := r.runner.opts.Credentials.Resolve(&e.ctx, s.Credential)
	if err != nil {
		return nil, credentialFailure(err, e)
	}
	call.Credential = secret
	return call, nil
}

// credentialFailure says why a key could not be had.
func credentialFailure(err error, e *execution) *failure {
	f := failureOf(err, &e.ctx, e.timeout)
	if f.code == v1alpha1.ErrorInternal {
		return failf(v1alpha1.ErrorUnauthorized, "the step's key could not be read; check that it still exists")
	}
	return f
}

// inputs are the delivered values by port; the last edge counts.
func (r *run) inputs(step int) map[string]any {
	edges := r.plan.Steps[step].In
	if len(edges) == 0 {
		return nil
	}
	values := make(map[string]any, len(edges))
	for i := range edges {
		if value, ok := r.Value(edges[i].From, edges[i].FromPort); ok {
			values[edges[i].ToPort] = convert(value, edges[i].Type)
		}
	}
	return values
}

// invoke calls the component's function. A panic is its error.
func (r *run) invoke(e *execution, call *catalog.Call) (outputs catalog.Outputs, err error) {
	returned := false
	defer func() {
		if p := recover(); p != nil {
			r.panicked(e.step, p, debug.Stack())
			outputs, err = nil, errPanicked
		} else if !returned {
			r.lost(e) // the component ended this goroutine
		}
	}()
	outputs, err = r.plan.Steps[e.step].Type.Run(&e.ctx, call)
	returned = true
	return outputs, err
}

// accept checks what the component gave: JSON values, none too large.
func (r *run) accept(e *execution, outputs catalog.Outputs) (catalog.Outputs, *failure) {
	outputs = r.named(e.step, outputs)
	limits := &r.runner.opts.Limits
	var total int64
	for port, value := range outputs {
		size, err := measure(value, limits.ValueBytes)
		if errors.Is(err, errNotJSON) {
			if value, err = normalize(value); err == nil {
				outputs[port] = value
				size, err = measure(value, limits.ValueBytes)
			}
		}
		if err != nil {
			return nil, valueFailure(err, limits.ValueBytes)
		}
		total += size
	}
	if f := r.account(e, total); f != nil {
		return nil, f
	}
	return outputs, nil
}

func valueFailure(err error, most int64) *failure {
	switch {
	case errors.Is(err, errValueTooLarge):
		return failf(v1alpha1.ErrorTooLarge, "the step's result is larger than %d bytes; let it give less", most)
	case errors.Is(err, errValueTooDeep):
		return failf(v1alpha1.ErrorTooLarge, "the step's result nests too deep")
	case errors.Is(err, errNotANumber):
		return failf(v1alpha1.ErrorExpression, "the step's result holds a number that cannot be written down; is something divided by zero?")
	}
	return failf(v1alpha1.ErrorInternal, "the step's result is not a JSON value; this is a defect of Weft, please report it")
}

// named gives the main output its own name, where the component gave it as
// main.
func (r *run) named(step int, outputs catalog.Outputs) catalog.Outputs {
	if outputs == nil {
		return catalog.Outputs{}
	}
	main := r.plan.Steps[step].Main
	if main == catalog.MainPort {
		return outputs
	}
	value, ok := outputs[catalog.MainPort]
	if _, own := outputs[main]; ok && !own && !r.declares(step, catalog.MainPort) {
		outputs[main] = value
		delete(outputs, catalog.MainPort)
	}
	return outputs
}

func (r *run) declares(step int, port string) bool {
	for _, p := range r.plan.Steps[step].Type.Outputs {
		if p.Name == port {
			return true
		}
	}
	return false
}

// account adds to what the run holds. Beyond the limit the run ends.
func (r *run) account(e *execution, bytes int64) *failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.abandoned {
		return nil
	}
	r.bytes += bytes
	if most := r.runner.opts.Limits.RunBytes; r.bytes > most {
		f := failf(v1alpha1.ErrorTooLarge, "the values of the run are larger than %d bytes together; let the flow hold less", most)
		r.stopLocked(f, "")
		return f
	}
	return nil
}

// handled says what becomes of a step that has failed for good.
func (r *run) handled(step int, f *failure) outcome {
	s := &r.plan.Steps[step]
	if f.code == v1alpha1.ErrorCanceled {
		return outcome{failure: f}
	}
	switch s.OnError.Action {
	case v1alpha1.ErrorActionDefault:
		return outcome{outputs: catalog.Outputs{s.Main: s.OnError.Value}, failure: f}
	case v1alpha1.ErrorActionRoute:
		return outcome{outputs: catalog.Outputs{catalog.ErrorPort: errorValue(s, f)}, failure: f}
	}
	return outcome{failure: f}
}

// backoff is how long to wait before a further try: twice as long each time,
// give or take a half, and at least as long as the service asked for.
func backoff(base time.Duration, try int, asked time.Duration) time.Duration {
	const most = 5 * time.Minute
	wait := min(base<<try, most)
	return max(wait/2+rand.N(wait+1), asked)
}

// pause waits. It is false where the run ends before.
func (r *run) pause(wait time.Duration) bool {
	if time.Since(r.started)+wait >= r.runner.opts.Limits.RunTimeout {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// finished tells how a step ended.
func (r *run) finished(e *execution, outputs catalog.Outputs, f *failure) {
	if r.sink == nil {
		return
	}
	s := &r.plan.Steps[e.step]
	r.mu.Lock()
	tokens, inputs := e.tokens, e.inputs
	r.mu.Unlock()
	event := Event{
		Type: ComponentFinished, Component: s.ID, Name: s.Name, Status: Succeeded,
		DurationMs: milliseconds(time.Since(e.started)), Tokens: tokens,
	}
	if f != nil {
		event.Status, event.Code, event.Message = Failed, f.code, f.message
		if f.code == v1alpha1.ErrorCanceled {
			event.Status = Canceled
		}
	}
	if r.runner.opts.Test {
		event.Input, event.Output = preview(inputs), preview(outputs)
	}
	r.emit(event)
}

// delta streams a piece of text. A component that streams without end is
// stopped.
func (r *run) delta(e *execution, text string) {
	r.emitting.Lock()
	defer r.emitting.Unlock()
	r.mu.Lock()
	most := r.runner.opts.Limits.ValueBytes
	e.emitted += int64(len(text))
	over, live := e.emitted > most, r.steps[e.step].current == e
	r.mu.Unlock()
	switch {
	case over:
		e.ctx.finish(failf(v1alpha1.ErrorTooLarge, "the step streamed more than %d bytes; let it give less", most))
	case live && text != "":
		r.send(Event{Type: ComponentDelta, Component: r.plan.Steps[e.step].ID, Name: r.plan.Steps[e.step].Name, Text: text})
	}
}

// addTokens counts tokens of models. Beyond the budget the run ends.
func (r *run) addTokens(e *execution, tokens int64) {
	if tokens <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.tokens += tokens
	r.tokens += tokens
	if most := r.runner.opts.Limits.Tokens; most > 0 && r.tokens > most {
		r.stopLocked(failf(v1alpha1.ErrorBudgetExceeded, "the run used more than %d tokens", most), r.plan.Steps[e.step].ID)
	}
}
