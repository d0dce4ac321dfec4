package status

import (
	"cmp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
)

// conditionSet collects the conditions of one generation. A condition whose
// status did not change keeps its time.
type conditionSet struct {
	old        []metav1.Condition
	generation int64
	now        metav1.Time
	out        []metav1.Condition
}

func (s *conditionSet) set(kind string, status metav1.ConditionStatus, reason, message string) {
	c := metav1.Condition{
		Type: kind, Status: status, ObservedGeneration: s.generation, LastTransitionTime: s.now,
		Reason: reason, Message: message,
	}
	if old := meta.FindStatusCondition(s.old, kind); old != nil && old.Status == status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	s.out = append(s.out, c)
}

func (s *conditionSet) setBool(kind string, ok bool, reason, message string) {
	status := metav1.ConditionFalse
	if ok {
		status = metav1.ConditionTrue
	}
	s.set(kind, status, reason, message)
}

// summarize sets Ready, and Stalled or Reconciling where they apply, and
// returns the observed generation. That follows once the outcome of a
// generation is known; until then Reconciling speaks of the newer one.
func (s *conditionSet) summarize(v *verdict, observed int64, readyMessage string) int64 {
	switch {
	case v == nil:
		s.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, readyMessage)
		return s.generation
	case v.stalled:
		s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v.reason, v.message)
		s.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, v.reason, v.message)
		return s.generation
	default:
		s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v.reason, v.message)
		if observed < s.generation {
			s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v.reason, v.message)
		}
		return observed
	}
}

func reasonOr(v *verdict, reason string) string {
	if v == nil {
		return reason
	}
	return cmp.Or(v.reason, reason)
}
