package status

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/weft-run/weft/api/v1alpha1"
)

// crashes is the number of restarts after which a container that is not ready
// counts as crashing, also in the moments in which it runs.
const crashes = 2

// workload is a Deployment and its pods.
type workload struct {
	deployment *appsv1.Deployment
	pods       []corev1.Pod
	endpoints  int
}

// verdict says why the Deployment does not serve what it should, if so.
func (w *workload) verdict() *verdict {
	if w.deployment == nil {
		return progressing(v1alpha1.ReasonProgressing, "the Deployment is being made")
	}
	return first(w.notObserved, w.podsRefused, w.podsBroken, w.podsWaiting, w.rolloutIncomplete, w.noEndpoint)
}

// rolledOut says whether every wanted pod is of the newest template, and ready.
func (w *workload) rolledOut() bool {
	d := w.deployment
	return d != nil && d.Generation == d.Status.ObservedGeneration && w.rolloutIncomplete() == nil
}

func (w *workload) notObserved() *verdict {
	if w.deployment.Generation != w.deployment.Status.ObservedGeneration {
		return progressing(v1alpha1.ReasonProgressing, "the rollout is about to start")
	}
	return nil
}

// podsRefused: the API accepts no pod, because of the quota or for another
// reason.
func (w *workload) podsRefused() *verdict {
	c := w.condition(appsv1.DeploymentReplicaFailure)
	switch {
	case c == nil || c.Status != corev1.ConditionTrue:
		return nil
	case strings.Contains(c.Message, "exceeded quota"):
		return stalled(v1alpha1.ReasonQuotaExceeded,
			"the workspace's quota allows no further pod: remove or pause another flow, or ask for a larger quota (%s)",
			bounded(c.Message, maxQuote))
	default:
		return stalled(v1alpha1.ReasonApplyFailed, "the Kubernetes API refuses the pod: %s", bounded(c.Message, maxQuote))
	}
}

func (w *workload) podsBroken() *verdict {
	for _, pod := range w.current() {
		for _, c := range pod.Status.ContainerStatuses {
			if v := containerVerdict(c); v != nil {
				return v
			}
		}
	}
	return nil
}

// podsWaiting: no node has room. A node may be on its way, until the rollout's
// deadline says otherwise.
func (w *workload) podsWaiting() *verdict {
	for _, pod := range w.current() {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
				return &verdict{
					reason:  v1alpha1.ReasonUnschedulable,
					message: "no node has room for the pod: " + bounded(c.Message, maxQuote),
					stalled: w.timedOut(),
				}
			}
		}
	}
	return nil
}

func (w *workload) rolloutIncomplete() *verdict {
	d := w.deployment
	want := ptr.Deref(d.Spec.Replicas, 1)
	ready := min(d.Status.UpdatedReplicas, d.Status.ReadyReplicas)
	switch {
	case w.timedOut():
		return stalled(v1alpha1.ReasonRolloutTimedOut, "%d of %d pods became ready in time", ready, want)
	case d.Status.UpdatedReplicas != want || d.Status.ReadyReplicas != want || d.Status.Replicas != want:
		return progressing(v1alpha1.ReasonProgressing, "%d of %d pods are ready", ready, want)
	default:
		return nil
	}
}

func (w *workload) noEndpoint() *verdict {
	if w.endpoints == 0 {
		return progressing(v1alpha1.ReasonProgressing, "the pods are ready, their address is not yet")
	}
	return nil
}

func (w *workload) timedOut() bool {
	c := w.condition(appsv1.DeploymentProgressing)
	return c != nil && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded"
}

func (w *workload) condition(kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	for i := range w.deployment.Status.Conditions {
		if c := &w.deployment.Status.Conditions[i]; c.Type == kind {
			return c
		}
	}
	return nil
}

// current are the pods of the newest template that are to stay.
func (w *workload) current() []corev1.Pod {
	var out []corev1.Pod
	for _, pod := range w.pods {
		if pod.DeletionTimestamp == nil && ofTemplate(pod, w.deployment.Spec.Template) {
			out = append(out, pod)
		}
	}
	return out
}

// ofTemplate compares labels: the API server sets the same ones on a pod that
// its template has.
func ofTemplate(pod corev1.Pod, template corev1.PodTemplateSpec) bool {
	for key, value := range template.Labels {
		if pod.Labels[key] != value {
			return false
		}
	}
	return true
}

func ready(pod corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func containerVerdict(c corev1.ContainerStatus) *verdict {
	if w := c.State.Waiting; w != nil {
		if v := waitingVerdict(c, w); v != nil {
			return v
		}
	}
	if !c.Ready && c.RestartCount >= crashes && lastExit(c) != nil {
		return stalled(v1alpha1.ReasonCrashLoop, "%s", crashMessage(c))
	}
	return nil
}

func waitingVerdict(c corev1.ContainerStatus, w *corev1.ContainerStateWaiting) *verdict {
	switch w.Reason {
	case "CrashLoopBackOff":
		return stalled(v1alpha1.ReasonCrashLoop, "%s", crashMessage(c))
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError",
		"RegistryUnavailable", "SignatureValidationFailed":
		return stalled(v1alpha1.ReasonImagePull, "the image %s cannot be started: %s (%s)",
			bounded(c.Image, maxQuote), bounded(w.Message, maxQuote), w.Reason)
	case "CreateContainerConfigError":
		if strings.Contains(strings.ToLower(w.Message), "secret") {
			return stalled(v1alpha1.ReasonSecretNotFound, "the pod waits for a Secret: %s", bounded(w.Message, maxQuote))
		}
		fallthrough
	case "CreateContainerError", "RunContainerError", "StartError", "PreCreateHookError", "PostStartHookError":
		return stalled(v1alpha1.ReasonImagePull, "the container cannot be started: %s (%s)",
			bounded(w.Message, maxQuote), w.Reason)
	default:
		return nil
	}
}

// crashMessage tells the last words of the program, which are in its log.
func crashMessage(c corev1.ContainerStatus) string {
	exit := lastExit(c)
	switch {
	case exit == nil:
		return fmt.Sprintf("the runtime stops again and again (%d restarts)", c.RestartCount)
	case exit.Reason == "OOMKilled":
		return fmt.Sprintf("the runtime runs out of memory (%d restarts): raise spec.runtime.resources.limits.memory", c.RestartCount)
	case strings.TrimSpace(exit.Message) == "":
		return fmt.Sprintf("the runtime stops with exit code %d (%d restarts)", exit.ExitCode, c.RestartCount)
	default:
		return fmt.Sprintf("the runtime stops with exit code %d (%d restarts): %s",
			exit.ExitCode, c.RestartCount, lastLine(exit.Message))
	}
}

func lastExit(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return bounded(text[strings.LastIndexByte(text, '\n')+1:], maxQuote)
}
