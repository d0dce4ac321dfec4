package kube

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

const namespace = "weft-system"

func deployment(change func(*appsv1.Deployment)) *appsv1.Deployment {
	two := int32(2)
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "weft-portal", Generation: 3},
		Spec:       appsv1.DeploymentSpec{Replicas: &two},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 3, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2},
	}
	change(d)
	return d
}

func TestDeploymentState(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*appsv1.Deployment)
		want   string
	}{
		"Ready":       {reason: "All replicas are new and available.", change: func(*appsv1.Deployment) {}},
		"Unseen":      {reason: "A status of an older generation says nothing.", change: func(d *appsv1.Deployment) { d.Generation = 4 }, want: "rolling out"},
		"OldReplica":  {reason: "An old pod that still runs may answer.", change: func(d *appsv1.Deployment) { d.Status.Replicas = 3 }, want: "rolling out"},
		"NotUpdated":  {reason: "Available old pods do not count.", change: func(d *appsv1.Deployment) { d.Status.UpdatedReplicas = 1 }, want: "1 of 2 ready"},
		"Unavailable": {reason: "New pods that are not available do not count.", change: func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 }, want: "0 of 2 ready"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, deploymentState(deployment(tc.change))); diff != "" {
				t.Errorf("%s\ndeploymentState(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWaitReadyExplains proves that the error says which pod fails and why.
func TestWaitReadyExplains(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "weft-portal-x", Labels: map[string]string{"app.kubernetes.io/name": "weft-portal"}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "portal", RestartCount: 3,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}},
		}}},
	}
	stranger := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "stranger"}}
	broken := deployment(func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 1 })
	c := &Cluster{Typed: fake.NewClientset([]runtime.Object{broken, pod, stranger}...)}
	err := c.WaitReady(t.Context(), namespace, []string{"weft-portal", "weft-gateway"}, 10*time.Millisecond, t.Logf)
	if err == nil {
		t.Fatal("WaitReady(...): want an error")
	}
	for _, text := range []string{"weft-portal (1 of 2 ready)", "weft-gateway (absent)", "CrashLoopBackOff", "restarted 3 times, last exit code 1", "fake logs"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("WaitReady(...): want %q in the error:\n%v", text, err)
		}
	}
	if strings.Contains(err.Error(), "stranger") {
		t.Errorf("WaitReady(...): pods of others do not belong into the error:\n%v", err)
	}
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	c := &Cluster{Typed: fake.NewClientset(deployment(func(*appsv1.Deployment) {}))}
	if err := c.WaitReady(t.Context(), namespace, []string{"weft-portal"}, time.Minute, t.Logf); err != nil {
		t.Errorf("WaitReady(...): %v", err)
	}
}
