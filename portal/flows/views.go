package flows

import (
	"net/http"
	"net/url"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/graph"
)

// Views render flows for browsers. The web module implements them. Each writes
// the whole answer.
type Views interface {
	FlowList(w http.ResponseWriter, r *http.Request, v ListView) error
	Editor(w http.ResponseWriter, r *http.Request, v EditorView) error
	ClusterFlow(w http.ResponseWriter, r *http.Request, v ClusterView) error
	Conflict(w http.ResponseWriter, r *http.Request, v ConflictView) error
	Share(w http.ResponseWriter, r *http.Request, v ShareView) error
	History(w http.ResponseWriter, r *http.Request, v HistoryView) error
	// Text translates a message key for the request's language.
	Text(r *http.Request, key string) string
}

// ListView is the list of flows.
type ListView struct {
	Flows []Summary
	// After is the cursor of the next page, empty on the last one.
	After string
	// Deleted is the id of a flow that was just deleted and can come back.
	Deleted string
}

// EditorView is a flow as its author edits it.
type EditorView struct {
	Document Document
	Input    any
	Slug     string
	// Problems of the draft, where they are asked for.
	Problems []graph.Problem
	Checked  bool
	Keys     []Key
	// KeysAway says that the vault did not answer.
	KeysAway bool
	// Run is the test run that is looked at, if one is.
	Run *Run
	// RunGone says that it is not kept any more.
	RunGone bool
	// Open is the step whose settings are open where not all are.
	Open string
	YAML string
}

// ClusterView is a flow that somebody keeps with kubectl: shown, not edited.
type ClusterView struct {
	Summary Summary
	Spec    *v1alpha1.FlowSpec
	YAML    string
}

// ConflictView shows two versions of a flow.
type ConflictView struct {
	ID, Name string
	// Message says what happened.
	Message string
	// Mine is what was sent, Theirs what is stored, both as YAML.
	Mine, Theirs string
	// MineJSON can be sent again with Revision to keep it. Empty where theirs
	// is in the cluster and cannot be written over.
	MineJSON string
	Revision int64
	// TheirsJSON can be sent with Revision to take it over as the draft. Empty
	// where theirs is the draft already.
	TheirsJSON string
}

// ShareView says who may call a flow, and how.
type ShareView struct {
	ID, Name   string
	URL        string
	Status     Status
	Visibility v1alpha1.Visibility
	Saved      bool
	// Exposable: it has a start and an output.
	Exposable bool
	Keys      []store.EndpointKey
	// NewKey is shown this once.
	NewKey string
	// Sample is a body that the flow takes, as JSON.
	Sample string
	// Form and Problems of a form that was refused.
	Form     url.Values
	Problems map[string]string
	// Managed: kept with kubectl or Git, so visibility is changed there.
	Managed bool
}

// HistoryView lists the saved versions of a flow.
type HistoryView struct {
	ID, Name string
	Versions []store.FlowVersion
	Current  int64
	// Before is the number with which the next page begins, 0 on the last.
	Before   int64
	ReadOnly string
}
