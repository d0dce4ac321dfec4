package web

import (
	"encoding/json"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/runtime/engine"
)

// runView is a test run for people.
type runView struct {
	Waiting, Running, Failed bool
	Message, Result          string
	Steps                    []runStepView
}

// runStepView is what became of one step.
type runStepView struct {
	ID, Name, Label, Class, Icon string
	Status                       engine.Status
	DurationMs                   float64
	Tokens                       int64
	Message, Input, Output       string
	// Shown: the output is open, because it is not the result once more.
	Shown bool
}

func (b *editorBuilder) run() *runView {
	run := b.v.Run
	if run == nil {
		return nil
	}
	view := &runView{
		Waiting: run.State == flows.RunWaiting, Running: run.State == flows.RunRunning,
		Failed: run.State == flows.RunFailed || run.State == flows.RunCanceled, Message: b.l.words.text(run.Message),
	}
	if run.State == flows.RunSucceeded {
		view.Result = show(run.Result)
	}
	if view.Failed && view.Message == "" {
		view.Message = b.l.words.text("run.failed")
	}
	for i := range run.Steps {
		step := b.l.runStep(&run.Steps[i])
		if step.Name == "" {
			step.Name = b.stepName(step.ID)
		}
		step.Shown = step.Output != view.Result
		view.Steps = append(view.Steps, *step)
	}
	return view
}

func (l *language) runStep(step *flows.RunStep) *runStepView {
	if step == nil {
		return nil
	}
	view := &runStepView{
		ID: step.ID, Name: step.Name, Status: step.Status, DurationMs: step.DurationMs, Tokens: step.Tokens,
		Message: l.words.text(step.Message), Input: showPorts(step.Input, mainPort), Output: showPorts(step.Output, mainPort),
		Class: "muted", Icon: "loader-circle", Label: l.words.text("run.status-running"),
	}
	switch step.Status {
	case engine.Succeeded:
		view.Class, view.Icon, view.Label = "good", "circle-check", l.words.text("run.status-succeeded")
	case engine.Failed:
		view.Class, view.Icon, view.Label = "bad", "circle-x", l.words.text("run.status-failed")
	case engine.Skipped:
		view.Icon, view.Label = "circle-dashed", l.words.text("run.status-skipped")
	case engine.Canceled:
		view.Icon, view.Label = "circle-dashed", l.words.text("run.status-canceled")
	}
	return view
}

// sampleOf is a body that the flow takes, as its author tried it.
func sampleOf(input any) string {
	if input == nil {
		input = "Hello"
	}
	data, err := json.Marshal(map[string]any{"input": input})
	if err != nil || len(data) > 1000 {
		return `{"input":"Hello"}`
	}
	return string(data)
}
