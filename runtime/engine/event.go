package engine

import (
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
)

// EventType says what an event tells.
type EventType string

// The types of events.
const (
	RunStarted        EventType = "run.started"
	ComponentStarted  EventType = "component.started"
	ComponentDelta    EventType = "component.delta"
	ComponentFinished EventType = "component.finished"
	RunFinished       EventType = "run.finished"
)

// Status says how a component or a run ended.
type Status string

// The statuses.
const (
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Skipped   Status = "skipped"
	Canceled  Status = "canceled"
)

// Event is one thing that happened in a run. Which fields are set depends on
// Type. Input and Output are there in previews only.
type Event struct {
	// Seq numbers the events of a run from 1, without gaps.
	Seq  int64     `json:"seq"`
	Type EventType `json:"type"`
	// Run is the id of the run.
	Run  string    `json:"run"`
	Time time.Time `json:"time"`
	// Component is the id of the component that the event speaks of, Name its
	// name for people.
	Component string `json:"component,omitempty"`
	Name      string `json:"name,omitempty"`
	// Text is a streamed piece of the main output.
	Text    string             `json:"text,omitempty"`
	Status  Status             `json:"status,omitempty"`
	Code    v1alpha1.ErrorCode `json:"code,omitempty"`
	Message string             `json:"message,omitempty"`
	// DurationMs is how long the component or the run took.
	DurationMs float64 `json:"durationMs,omitempty"`
	// Tokens of models that were used.
	Tokens int64 `json:"tokens,omitempty"`
	// Input and Output of a component: its delivered values by port.
	Input  map[string]any `json:"input,omitempty"`
	Output map[string]any `json:"output,omitempty"`
	// Result and Errors of the run.
	Result any        `json:"result,omitempty"`
	Errors []RunError `json:"errors,omitempty"`
}

// RunError is the failure of a run, or of a component in it.
type RunError struct {
	// Component is empty where the run itself failed.
	Component string             `json:"component"`
	Code      v1alpha1.ErrorCode `json:"code"`
	Message   string             `json:"message"`
}

// Result is how a run ended.
type Result struct {
	Run    string
	Status Status
	// Value of the run, nil unless it succeeded.
	Value any
	// Errors that ended the run, none if it succeeded.
	Errors []RunError
	Tokens int64
}
