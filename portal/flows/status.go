package flows

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/store"
)

// Phase is the state of a flow in one word.
type Phase string

// The phases.
const (
	// PhaseDraft: it was never saved.
	PhaseDraft Phase = "Draft"
	// PhaseWaiting: it is saved, and the cluster does not have it yet.
	PhaseWaiting Phase = "Waiting"
	// PhaseConflict: the cluster has a version that somebody else wrote.
	PhaseConflict Phase = "Conflict"
	// PhaseProgressing: the cluster is working on it.
	PhaseProgressing Phase = "Progressing"
	// PhaseReady: its address answers.
	PhaseReady Phase = "Ready"
	// PhaseSaved: it is saved and valid, and has no address because it lacks a
	// start or an output.
	PhaseSaved Phase = "Saved"
	// PhasePaused: it is switched off.
	PhasePaused Phase = "Paused"
	// PhaseFailed: it will not get better by itself.
	PhaseFailed Phase = "Failed"
	// PhaseUnknown: the cluster does not answer.
	PhaseUnknown Phase = "Unknown"
)

// Status says how a flow is.
type Status struct {
	State   Phase  `json:"state"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Version that was saved last, 0 where none was.
	Version int64 `json:"version"`
	// SavedAt is when that was.
	SavedAt *time.Time `json:"savedAt,omitempty"`
	// Unsaved says that the draft has changes that are not saved.
	Unsaved bool `json:"unsaved,omitempty"`
}

// waitingMessage is what the owner of a flow reads while the cluster is away.
const waitingMessage = "Saved, waiting for the cluster."

// statusOf joins what the portal and what the cluster know. The object is nil
// where there is none; away says that the cluster did not answer.
func statusOf(flow store.Flow, object *v1alpha1.Flow, away bool) Status {
	status := Status{Version: flow.CurrentVersion, SavedAt: flow.SavedAt}
	switch {
	case flow.CurrentVersion == 0:
		status.State = PhaseDraft
	case flow.SyncReason == reasonConflict:
		status.State, status.Reason, status.Message = PhaseConflict, flow.SyncReason, flow.SyncMessage
	case flow.SyncReason == reasonRefused:
		status.State, status.Reason, status.Message = PhaseFailed, flow.SyncReason, flow.SyncMessage
	case flow.AppliedVersion < flow.CurrentVersion:
		status.State, status.Reason, status.Message = PhaseWaiting, flow.SyncReason, waitingMessage
	case away:
		status.State, status.Message = PhaseUnknown, "The cluster does not answer right now."
	case object == nil:
		status.State, status.Message = PhaseWaiting, waitingMessage
	default:
		objectStatus(&status, object)
	}
	return status
}

// objectStatus reads the conditions of a Flow object.
func objectStatus(status *Status, object *v1alpha1.Flow) {
	ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.ObservedGeneration < object.Generation {
		status.State, status.Message = PhaseProgressing, "The cluster is starting this version."
		return
	}
	status.Reason, status.Message = ready.Reason, ready.Message
	stalled := meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionStalled)
	switch {
	case ready.Status == metav1.ConditionTrue:
		status.State, status.Ready, status.Message = PhaseReady, true, ""
	case ready.Reason == v1alpha1.ReasonPaused:
		status.State = PhasePaused
	case ready.Reason == v1alpha1.ReasonNoInputOrOutput:
		status.State = PhaseSaved
	case stalled:
		status.State = PhaseFailed
	default:
		status.State = PhaseProgressing
	}
}
