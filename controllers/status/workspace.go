package status

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
)

// WorkspaceObservation is what was observed of a workspace.
type WorkspaceObservation struct {
	// Generation of the Workspace object that was observed.
	Generation int64
	// Namespace of the workspace, once it exists and belongs to it.
	Namespace string
	// Conflict: the namespace exists and belongs to something else.
	Conflict bool
	// Going: the namespace of an earlier workspace is still being deleted.
	Going bool
	// TrustFound: the keys that requests are checked with exist.
	TrustFound bool
	// TestRuntimeDisabled: no drafts are run here.
	TestRuntimeDisabled bool
	// Deployment of the test runtime, nil where there is none.
	Deployment *appsv1.Deployment
	// Pods of the test runtime.
	Pods []corev1.Pod
	// Endpoints is the number of ready endpoints of the test runtime.
	Endpoints int
	// Uncounted: the cluster does not count yet what the workspace uses, and so
	// refuses every flow.
	Uncounted bool
	// Changed: objects were written just now, so what was observed is old.
	Changed bool
	// Failure of bringing the objects into the cluster, if any.
	Failure *Failure
}

// Workspace returns the status of a workspace.
func Workspace(old v1alpha1.WorkspaceStatus, o WorkspaceObservation, now time.Time) v1alpha1.WorkspaceStatus {
	v := o.verdict()
	c := &conditionSet{old: old.Conditions, generation: o.Generation, now: metav1.NewTime(now.Truncate(time.Second))}
	o.accepted(c)
	c.setBool(v1alpha1.ConditionResolvedRefs, o.TrustFound, o.trustReason(), o.trustMessage())
	o.available(c, v)
	out := v1alpha1.WorkspaceStatus{Namespace: o.Namespace}
	out.ObservedGeneration = c.summarize(v, old.ObservedGeneration,
		"flows can be deployed to namespace "+o.Namespace)
	out.Conditions = c.out
	return out
}

func (o *WorkspaceObservation) verdict() *verdict {
	return first(o.taken, o.Failure.verdict, o.untrusting, o.outdated, o.uncounted, o.testRuntime)
}

func (o *WorkspaceObservation) taken() *verdict {
	switch {
	case o.Conflict:
		return stalled(v1alpha1.ReasonNamespaceConflict,
			"the workspace's namespace exists already and belongs to something else: delete it, or choose another name")
	case o.Going:
		return progressing(v1alpha1.ReasonNamespaceConflict,
			"the namespace of an earlier workspace of this name is still being deleted")
	default:
		return nil
	}
}

func (o *WorkspaceObservation) untrusting() *verdict {
	if o.TrustFound {
		return nil
	}
	return progressing(v1alpha1.ReasonTrustNotFound, "%s", o.trustMessage())
}

func (o *WorkspaceObservation) trustReason() string {
	if o.TrustFound {
		return v1alpha1.ReasonResolved
	}
	return v1alpha1.ReasonTrustNotFound
}

func (o *WorkspaceObservation) trustMessage() string {
	if o.TrustFound {
		return "the keys that requests are checked with exist"
	}
	return "ConfigMap weft-trust does not exist in the system namespace: the portal makes it when it first starts"
}

func (o *WorkspaceObservation) outdated() *verdict {
	if o.Changed || o.Namespace == "" {
		return progressing(v1alpha1.ReasonProgressing, "the namespace is being set up")
	}
	return nil
}

func (o *WorkspaceObservation) uncounted() *verdict {
	if !o.Uncounted {
		return nil
	}
	return progressing(v1alpha1.ReasonProgressing,
		"the cluster does not count the workspace's flows yet: right after Weft was installed this can take up to five minutes")
}

func (o *WorkspaceObservation) testRuntime() *verdict {
	if o.TestRuntimeDisabled {
		return nil
	}
	w := &workload{deployment: o.Deployment, pods: o.Pods, endpoints: o.Endpoints}
	v := w.verdict()
	if v != nil {
		v.message = "test runtime: " + v.message
	}
	return v
}

func (o *WorkspaceObservation) accepted(c *conditionSet) {
	v := o.taken()
	if v == nil {
		c.set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonValid, "the spec is valid")
		return
	}
	c.set(v1alpha1.ConditionAccepted, metav1.ConditionFalse, v.reason, v.message)
}

func (o *WorkspaceObservation) available(c *conditionSet, v *verdict) {
	switch {
	case o.TestRuntimeDisabled:
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonTestRuntimeDisabled,
			"the test runtime is switched off: flows can be deployed, drafts cannot be run")
	case o.Endpoints > 0:
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonServing, "drafts can be run")
	default:
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionFalse, reasonOr(v, v1alpha1.ReasonNoPods), "drafts cannot be run yet")
	}
}
