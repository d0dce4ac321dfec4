package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Intervals of waiting: how often to look, and how often to say so.
const (
	lookEvery = time.Second
	sayEvery  = 10 * time.Second
)

// logLines is how much of a failing container's log an error shows.
const logLines = 10

// maxLog bounds what is read of a log.
const maxLog = 64 << 10

// WaitReady waits until every Deployment and StatefulSet of a namespace that
// has one of the names runs its newest version on all replicas. Each ten
// seconds it says what is missing. When time is up, the error names the pods
// that are not ready and why.
func (c *Cluster) WaitReady(ctx context.Context, namespace string, names []string, timeout time.Duration, say func(string, ...any)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	said := time.Now()
	missing := names
	for {
		found, err := c.missing(ctx, namespace, names)
		if err == nil && len(found) == 0 {
			return nil
		}
		if ctx.Err() == nil { // else the question was cut off, and the last answer stands
			missing = found
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			say("waiting for %s%s", strings.Join(missing, ", "), c.why(ctx, namespace, names, err))
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return c.explain(context.WithoutCancel(ctx), namespace, names, missing, err)
		}
	}
}

// missing describes the workloads that are not ready.
func (c *Cluster) missing(ctx context.Context, namespace string, names []string) ([]string, error) {
	var missing []string
	for _, name := range names {
		state, err := c.workload(ctx, namespace, name)
		if err != nil {
			return names, err
		}
		if state != "" {
			missing = append(missing, fmt.Sprintf("%s (%s)", name, state))
		}
	}
	return missing, nil
}

// workload says what a Deployment or StatefulSet waits for; "" when nothing.
func (c *Cluster) workload(ctx context.Context, namespace, name string) (string, error) {
	d, err := c.Typed.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		return deploymentState(d), nil
	}
	if !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("reading Deployment %s: %w", name, err)
	}
	s, err := c.Typed.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "absent", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading StatefulSet %s: %w", name, err)
	}
	return statefulSetState(s), nil
}

func deploymentState(d *appsv1.Deployment) string {
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	s := d.Status
	settled := s.ObservedGeneration >= d.Generation && s.Replicas == want
	return rollout(settled, min(s.UpdatedReplicas, s.AvailableReplicas), want)
}

func statefulSetState(s *appsv1.StatefulSet) string {
	want := int32(1)
	if s.Spec.Replicas != nil {
		want = *s.Spec.Replicas
	}
	settled := s.Status.ObservedGeneration >= s.Generation && s.Status.CurrentRevision == s.Status.UpdateRevision
	return rollout(settled, s.Status.AvailableReplicas, want)
}

func rollout(settled bool, ready, want int32) string {
	if settled && ready >= want {
		return ""
	}
	if ready >= want {
		return "rolling out"
	}
	return fmt.Sprintf("%d of %d ready", ready, want)
}

// explain makes the error for workloads that did not become ready in time.
func (c *Cluster) explain(ctx context.Context, namespace string, names, missing []string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	summary := fmt.Errorf("not ready in time: %s", strings.Join(missing, ", "))
	pods, err := c.unready(ctx, namespace, names)
	failures := []error{summary, cause, err}
	for i := range pods {
		p := &pods[i]
		reason, container := podProblem(p)
		if container != nil {
			reason += c.tail(ctx, p, *container)
		}
		failures = append(failures, fmt.Errorf("pod %s: %s", p.Name, reason))
	}
	return errors.Join(failures...)
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// podProblem says in words why a pod is not ready, and which container it is.
func podProblem(p *corev1.Pod) (string, *corev1.ContainerStatus) {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.Ready || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 {
			continue
		}
		return containerProblem(s), &s
	}
	for _, cond := range p.Status.Conditions {
		if cond.Status == corev1.ConditionFalse && cond.Message != "" {
			return cond.Reason + ": " + cond.Message, nil
		}
	}
	return string(p.Status.Phase), nil
}

func containerProblem(s corev1.ContainerStatus) string {
	name := "container " + s.Name
	switch {
	case s.State.Waiting != nil:
		name += " waits: " + strings.TrimSpace(s.State.Waiting.Reason+" "+s.State.Waiting.Message)
	case s.State.Terminated != nil:
		name += fmt.Sprintf(" ended with %d: %s", s.State.Terminated.ExitCode, s.State.Terminated.Reason)
	case s.State.Running != nil:
		name += " runs but is not ready"
	}
	if last := s.LastTerminationState.Terminated; last != nil {
		name += fmt.Sprintf(" (restarted %d times, last exit code %d %s)", s.RestartCount, last.ExitCode, last.Reason)
	}
	return name
}

// tail returns the last lines that a container wrote, of its last life if it
// is between two.
func (c *Cluster) tail(ctx context.Context, p *corev1.Pod, s corev1.ContainerStatus) string {
	lines := int64(logLines)
	stream, err := c.Typed.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: s.Name, TailLines: &lines, Previous: s.State.Running == nil && s.LastTerminationState.Terminated != nil,
	}).Stream(ctx)
	if err != nil {
		return "" // no log yet: the reason must do
	}
	defer stream.Close()
	data, err := io.ReadAll(io.LimitReader(stream, maxLog))
	if err != nil {
		return fmt.Sprintf("; its log cannot be read: %v", err)
	}
	if len(data) == 0 {
		return ""
	}
	return "; last lines of its log:\n" + string(data)
}

// why adds to a line of progress what is known of the reasons.
func (c *Cluster) why(ctx context.Context, namespace string, names []string, err error) string {
	if err != nil {
		return ": " + err.Error()
	}
	pods, err := c.unready(ctx, namespace, names)
	if err != nil {
		return ": " + err.Error()
	}
	var reasons []string
	for i := range pods {
		if reason, _ := podProblem(&pods[i]); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return ": " + strings.Join(reasons, "; ")
}

// unready returns the pods of the workloads that are not ready.
func (c *Cluster) unready(ctx context.Context, namespace string, names []string) ([]corev1.Pod, error) {
	pods, err := c.Typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool {
		return podReady(&p) || p.DeletionTimestamp != nil || !slices.Contains(names, p.Labels["app.kubernetes.io/name"])
	}), nil
}
