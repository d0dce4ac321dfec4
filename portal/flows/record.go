package flows

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/runtime/engine"
)

// RunState says how far a test run is.
type RunState string

// The states of a test run.
const (
	// RunWaiting: the workspace's test runtime is not up yet.
	RunWaiting RunState = "waiting"
	// RunRunning: it is under way.
	RunRunning RunState = "running"
	// RunSucceeded, RunFailed and RunCanceled: it is over.
	RunSucceeded RunState = "succeeded"
	RunFailed    RunState = "failed"
	RunCanceled  RunState = "canceled"
)

// Run is a test run as far as it is known.
type Run struct {
	ID         string            `json:"id"`
	State      RunState          `json:"state"`
	Steps      []RunStep         `json:"components"`
	Result     any               `json:"result"`
	Errors     []engine.RunError `json:"errors,omitempty"`
	Message    string            `json:"message,omitempty"`
	StartedAt  time.Time         `json:"startedAt"`
	DurationMs float64           `json:"durationMs,omitempty"`
	Tokens     int64             `json:"tokens,omitempty"`
}

// RunStep is what became of one step in a run.
type RunStep struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Status     engine.Status  `json:"status,omitempty"`
	Input      map[string]any `json:"input,omitempty"`
	Output     map[string]any `json:"output,omitempty"`
	Text       string         `json:"-"`
	DurationMs float64        `json:"durationMs"`
	Tokens     int64          `json:"tokens,omitempty"`
	Code       string         `json:"code,omitempty"`
	Message    string         `json:"message,omitempty"`
}

// Over says whether the run has ended.
func (r *Run) Over() bool { return r.State != RunWaiting && r.State != RunRunning }

// Step returns what became of a step, nil where it did not run.
func (r *Run) Step(id string) *RunStep {
	for i := range r.Steps {
		if r.Steps[i].ID == id {
			return &r.Steps[i]
		}
	}
	return nil
}

// Record adds an event.
func (r *Run) Record(e engine.Event) {
	switch e.Type {
	case engine.RunStarted:
		r.State = RunRunning
	case engine.ComponentStarted:
		r.Steps = append(r.Steps, RunStep{ID: e.Component, Name: e.Name, Input: e.Input})
	case engine.ComponentDelta:
		if step := r.Step(e.Component); step != nil {
			step.Text += e.Text
		}
	case engine.ComponentFinished:
		r.finishStep(e)
	case engine.RunFinished:
		r.finish(e)
	}
}

func (r *Run) finishStep(e engine.Event) {
	step := r.Step(e.Component)
	if step == nil {
		r.Steps = append(r.Steps, RunStep{ID: e.Component, Name: e.Name})
		step = &r.Steps[len(r.Steps)-1]
	}
	step.Status, step.DurationMs, step.Tokens = e.Status, e.DurationMs, e.Tokens
	step.Code, step.Message = string(e.Code), e.Message
	if e.Input != nil {
		step.Input = e.Input
	}
	step.Output, step.Text = e.Output, ""
}

func (r *Run) finish(e engine.Event) {
	r.State = RunState(e.Status)
	r.Result, r.Errors, r.DurationMs, r.Tokens = e.Result, e.Errors, e.DurationMs, e.Tokens
	r.Message = e.Message
	if r.Message == "" && len(e.Errors) > 0 {
		r.Message = e.Errors[0].Message
	}
}

// fail ends a run that the runtime did not end.
func (r *Run) fail(message string) {
	r.State, r.Message = RunFailed, message
	r.Errors = []engine.RunError{{Code: "Internal", Message: message}}
}

// encode returns the record to be kept. One that is too large goes without its
// previews.
func (r *Run) encode(maxBytes int) ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding a test run: %w", err)
	}
	if len(data) <= maxBytes {
		return data, nil
	}
	slim := *r
	slim.Steps = make([]RunStep, len(r.Steps))
	for i, step := range r.Steps {
		step.Input, step.Output = nil, nil
		slim.Steps[i] = step
	}
	data, err = json.Marshal(&slim)
	if err != nil {
		return nil, fmt.Errorf("encoding a test run: %w", err)
	}
	if len(data) > maxBytes {
		return nil, realtime.ErrTooLarge
	}
	return data, nil
}

func decodeRun(data []byte) (*Run, error) {
	run := new(Run)
	if err := json.Unmarshal(data, run); err != nil {
		return nil, errors.New("reading the record of a test run")
	}
	return run, nil
}
