package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/runtime/graph"
)

// Home is what is known of the workspace that a flow lives in.
type Home int

// The states of a flow's workspace.
const (
	// HomeReady: flows can run there.
	HomeReady Home = iota
	// HomeNotReady: it is being set up.
	HomeNotReady
	// HomeMissing: the namespace belongs to no workspace.
	HomeMissing
)

// Missing is something that a flow refers to and that does not exist.
type Missing struct {
	// Reason is ReasonSecretNotFound or ReasonVaultKeyNotFound.
	Reason string
	// Message names it.
	Message string
}

// FlowObservation is what was observed of a flow.
type FlowObservation struct {
	// Generation of the Flow object that was observed.
	Generation int64
	// Home is the state of the workspace.
	Home Home
	// Problems of the graph; none means that the spec is valid.
	Problems []graph.Problem
	// Missing references, in the order of their names.
	Missing []Missing
	// Unchecked says why the references could not be looked up, if so.
	Unchecked string
	// Exposable: what runs, or should run, has a start and an output.
	Exposable bool
	// Paused and ScaledToZero say why there should be no pods, if so.
	Paused, ScaledToZero bool
	// Desired is the revision of the newest valid spec.
	Desired string
	// Addresses of the flow, the outer one first; none where it has none.
	Addresses []v1alpha1.Address
	// Selector of the flow's pods.
	Selector string
	// Deployment, nil where there is none.
	Deployment *appsv1.Deployment
	// Pods of the flow.
	Pods []corev1.Pod
	// Endpoints is the number of ready endpoints of the Service.
	Endpoints int
	// Changed: objects were written just now, so what was observed is old.
	Changed bool
	// Failure of bringing the objects into the cluster, if any.
	Failure *Failure
}

// Flow returns the status of a flow.
func Flow(old v1alpha1.FlowStatus, o FlowObservation, now time.Time) v1alpha1.FlowStatus {
	w := &workload{deployment: o.Deployment, pods: o.Pods, endpoints: o.Endpoints}
	out := v1alpha1.FlowStatus{
		Addresses: o.Addresses,
		Revision:  v1alpha1.RevisionStatus{Desired: o.Desired, Serving: serving(old.Revision.Serving, w)},
		Selector:  o.Selector,
	}
	v := o.verdict(w, out.Revision.Serving)
	if o.Deployment != nil {
		out.Replicas = o.Deployment.Status.ReadyReplicas
	}
	if len(o.Addresses) > 0 {
		out.URL = o.Addresses[0].URL
	}
	c := &conditionSet{old: old.Conditions, generation: o.Generation, now: metav1.NewTime(now.Truncate(time.Second))}
	o.accepted(c)
	o.resolvedRefs(c)
	o.available(c, v, out.Revision)
	o.exposed(c, out.URL)
	out.ObservedGeneration = c.summarize(v, old.ObservedGeneration,
		fmt.Sprintf("revision %s answers at %s", out.Revision.Serving, out.URL))
	out.Conditions = c.out
	return out
}

// verdict says why the flow is not Ready, if so: what a person must act on
// comes before what time will bring.
func (o *FlowObservation) verdict(w *workload, serving string) *verdict {
	return first(
		o.invalid,
		o.homeless,
		o.paused,
		o.unexposable,
		o.unresolved,
		o.Failure.verdict,
		o.scaledToZero,
		o.outdated,
		w.verdict,
		func() *verdict { return o.servingAnother(serving) },
	)
}

// servingAnother: what is known of the pods is older than what is known of the
// Deployment.
func (o *FlowObservation) servingAnother(serving string) *verdict {
	if serving == o.Desired {
		return nil
	}
	return progressing(v1alpha1.ReasonProgressing, "revision %s is about to serve", o.Desired)
}

func (o *FlowObservation) invalid() *verdict {
	if len(o.Problems) == 0 {
		return nil
	}
	return stalled(v1alpha1.ReasonInvalidSpec, "%s", problems(o.Problems))
}

func (o *FlowObservation) homeless() *verdict {
	switch o.Home {
	case HomeMissing:
		return stalled(v1alpha1.ReasonWorkspaceMissing,
			"this namespace belongs to no Workspace: make one, and move the flow to its namespace")
	case HomeNotReady:
		return progressing(v1alpha1.ReasonWorkspaceNotReady, "the Workspace is being set up")
	default:
		return nil
	}
}

func (o *FlowObservation) paused() *verdict {
	if !o.Paused {
		return nil
	}
	return stalled(v1alpha1.ReasonPaused, "the flow is paused: set spec.state to Running to start it")
}

func (o *FlowObservation) unexposable() *verdict {
	if o.Exposable {
		return nil
	}
	return stalled(v1alpha1.ReasonNoInputOrOutput, "%s", needsBoth)
}

const needsBoth = "add a start, such as input, and an output component: only then the flow gets an address"

func (o *FlowObservation) unresolved() *verdict {
	switch {
	case len(o.Missing) > 0:
		return stalled(o.Missing[0].Reason, "%s", o.missing())
	case o.Unchecked != "":
		return progressing(v1alpha1.ReasonNotChecked, "%s", bounded(o.Unchecked, maxMessage))
	default:
		return nil
	}
}

func (o *FlowObservation) missing() string {
	messages := make([]string, 0, len(o.Missing))
	for _, m := range o.Missing {
		messages = append(messages, m.Message)
	}
	return bounded(strings.Join(messages, "; "), maxMessage)
}

func (o *FlowObservation) scaledToZero() *verdict {
	if !o.ScaledToZero {
		return nil
	}
	return stalled(v1alpha1.ReasonScaledToZero, "spec.runtime.replicas.min is 0, so no pod runs: raise it to start the flow")
}

// outdated: what was observed does not speak of the desired revision yet.
func (o *FlowObservation) outdated() *verdict {
	if o.Changed || revisionOf(o.Deployment) != o.Desired {
		return progressing(v1alpha1.ReasonProgressing, "revision %s is being rolled out", o.Desired)
	}
	return nil
}

func (o *FlowObservation) accepted(c *conditionSet) {
	switch v := first(o.invalid, o.homeless); {
	case v == nil:
		c.set(v1alpha1.ConditionAccepted, metav1.ConditionTrue, v1alpha1.ReasonValid, "the spec is valid")
	case v.stalled:
		c.set(v1alpha1.ConditionAccepted, metav1.ConditionFalse, v.reason, v.message)
	default:
		c.set(v1alpha1.ConditionAccepted, metav1.ConditionUnknown, v.reason, v.message)
	}
}

func (o *FlowObservation) resolvedRefs(c *conditionSet) {
	switch v := o.unresolved(); {
	case v == nil:
		c.set(v1alpha1.ConditionResolvedRefs, metav1.ConditionTrue, v1alpha1.ReasonResolved,
			"everything that the flow refers to exists")
	case v.stalled:
		c.set(v1alpha1.ConditionResolvedRefs, metav1.ConditionFalse, v.reason, v.message)
	default:
		c.set(v1alpha1.ConditionResolvedRefs, metav1.ConditionUnknown, v.reason, v.message)
	}
}

func (o *FlowObservation) available(c *conditionSet, v *verdict, revision v1alpha1.RevisionStatus) {
	n := 0
	for _, pod := range o.Pods {
		if ready(pod) {
			n++
		}
	}
	switch {
	case n == 0 || o.Endpoints == 0:
		message := "no pod is ready"
		if v != nil {
			message += ": " + v.message
		}
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionFalse, reasonOr(v, v1alpha1.ReasonNoPods), bounded(message, maxMessage))
	case revision.Serving == revision.Desired && len(o.Problems) == 0:
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonServing,
			fmt.Sprintf("revision %s serves", revision.Serving))
	default:
		c.set(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonServingPrevious,
			fmt.Sprintf("revision %s still serves", revision.Serving))
	}
}

func (o *FlowObservation) exposed(c *conditionSet, url string) {
	switch {
	case url != "":
		c.set(v1alpha1.ConditionExposed, metav1.ConditionTrue, v1alpha1.ReasonAddressed, "the address is "+url)
	case len(o.Problems) > 0:
		c.set(v1alpha1.ConditionExposed, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec,
			"the flow gets an address once its spec is valid")
	case !o.Exposable:
		c.set(v1alpha1.ConditionExposed, metav1.ConditionFalse, v1alpha1.ReasonNoInputOrOutput, needsBoth)
	default:
		v := first(o.homeless, o.unresolved, o.Failure.verdict)
		c.set(v1alpha1.ConditionExposed, metav1.ConditionFalse, reasonOr(v, v1alpha1.ReasonProgressing),
			"the flow gets an address once it can be rolled out")
	}
}

// serving returns the revision that answers requests. While two do, during a
// rollout, it is the earlier one; while none does, the last that did.
func serving(before string, w *workload) string {
	revisions := map[string]bool{}
	for _, pod := range w.pods {
		if revision := pod.Labels[render.RevisionLabel]; ready(pod) && revision != "" {
			revisions[revision] = true
		}
	}
	newest := revisionOf(w.deployment)
	switch {
	case len(revisions) == 0:
		return before
	case revisions[newest] && (w.rolledOut() || len(revisions) == 1):
		return newest
	case revisions[before]:
		return before
	default:
		return slices.Min(slices.Collect(maps.Keys(revisions)))
	}
}

func revisionOf(d *appsv1.Deployment) string {
	if d == nil {
		return ""
	}
	return d.Spec.Template.Labels[render.RevisionLabel]
}
