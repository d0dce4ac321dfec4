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
	for {
		missing, err := c.missing(ctx, namespace, names)
		if err == nil && len(missing) == 0 {
			return nil
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			say("waiting for %s%s", strings.Join(missing, ", "), suffix(err))
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
	d, err := c.Typed.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return "", fmt.Errorf("reading Deployment %s: %w", name, err)
	}
	if len(d.Items) == 1 {
		return deploymentState(&d.Items[0]), nil
	}
	s, err := c.Typed.AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return "", fmt.Errorf("reading StatefulSet %s: %w", name, err)
	}
	if len(s.Items) == 1 {
		return statefulSetState(&s.Items[0]), nil
	}
	return "absent", nil
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
	pods, err := c.Typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return errors.Join(summary, cause, fmt.Errorf("listing pods: %w", err))
	}
	failures := []error{summary, cause}
	for i := range pods.Items {
		p := &pods.Items[i]
		if slices.Contains(names, p.Labels["app.kubernetes.io/name"]) && !podReady(p) {
			failures = append(failures, fmt.Errorf("pod %s: %s", p.Name, c.podProblem(ctx, p)))
		}
	}
	return errors.Join(failures...)
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// podProblem says in words why a pod is not ready.
func (c *Cluster) podProblem(ctx context.Context, p *corev1.Pod) string {
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if s.Ready || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 {
			continue
		}
		text := containerProblem(s)
		if log := c.tail(ctx, p, s); log != "" {
			text += "; last lines of its log:\n" + log
		}
		return text
	}
	for _, cond := range p.Status.Conditions {
		if cond.Status == corev1.ConditionFalse && cond.Message != "" {
			return cond.Reason + ": " + cond.Message
		}
	}
	return string(p.Status.Phase)
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
		return ""
	}
	defer stream.Close() //nolint:errcheck // read to its end or given up
	data, err := io.ReadAll(io.LimitReader(stream, maxLog))
	if err != nil {
		return fmt.Sprintf("%s (reading stopped: %v)", data, err)
	}
	return string(data)
}

// suffix shows why it is not known what is missing.
func suffix(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
