package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status/statustest"
	"github.com/weft-run/weft/runtime/graph"
)

// summary is what a person sees of a status at first.
type summary struct {
	// Conditions as type=status/reason, without those that are in order.
	Ready, Accepted, ResolvedRefs, Available, Exposed string
	// Other is Reconciling, Stalled or nothing.
	Other    string
	Serving  string
	Observed int64
	// KStatus is what kstatus, and with it Flux and kubectl, makes of it.
	KStatus kstatus.Status
}

func TestFlow(t *testing.T) {
	t.Parallel()
	const old, current = "1111111111", "2222222222"
	ready := summary{
		Ready: "True/Ready", Accepted: "True/Valid", ResolvedRefs: "True/Resolved", Available: "True/Serving",
		Exposed: "True/Addressed", Serving: current, Observed: 2, KStatus: kstatus.CurrentStatus,
	}
	// rollingOut is a first rollout with no pod yet.
	rollingOut := ready
	rollingOut.Ready, rollingOut.Available = "False/Progressing", "False/Progressing"
	rollingOut.Other, rollingOut.Serving, rollingOut.Observed, rollingOut.KStatus = "Reconciling", "", 0, kstatus.InProgressStatus

	cases := map[string]struct {
		reason string
		old    v1alpha1.FlowStatus
		change func(*FlowObservation)
		want   summary
		// message that the condition Ready must have in it.
		message string
	}{
		"Ready": {
			reason: "all pods of the desired revision are ready and reachable",
			want:   ready,
		},
		"NothingYet": {
			reason: "nothing exists yet: that is work, not an error",
			change: func(o *FlowObservation) { o.Deployment, o.Pods, o.Endpoints, o.Changed = nil, nil, 0, true },
			want:   rollingOut,
		},
		"JustWritten": {
			reason: "what was seen before the last write says nothing about it",
			change: func(o *FlowObservation) { o.Changed = true },
			want: with(ready, func(s *summary) {
				s.Ready, s.Other, s.Observed, s.KStatus = "False/Progressing", "Reconciling", 0, kstatus.InProgressStatus
			}),
		},
		"StaleDeployment": {
			reason: "the Deployment's controller has not seen the newest template: its counts speak of the one before",
			change: func(o *FlowObservation) { o.Deployment.Generation++ },
			want: with(ready, func(s *summary) {
				s.Ready, s.Other, s.Observed, s.KStatus = "False/Progressing", "Reconciling", 0, kstatus.InProgressStatus
			}),
		},
		"RollingOut": {
			reason: "during a rollout the earlier revision counts as the serving one",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: old}},
			change: func(o *FlowObservation) {
				o.Pods = append(o.Pods, pod(old, true))
				o.Deployment.Status.UpdatedReplicas, o.Deployment.Status.Replicas = 1, 2
			},
			want: with(ready, func(s *summary) {
				s.Ready, s.Available = "False/Progressing", "True/ServingPreviousRevision"
				s.Other, s.Serving, s.Observed, s.KStatus = "Reconciling", old, 1, kstatus.InProgressStatus
			}),
		},
		"StalePods": {
			reason: "the pods that are known are not those that the Deployment counts",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: old}},
			change: func(o *FlowObservation) { o.Pods = []corev1.Pod{pod(old, true)} },
			want: with(ready, func(s *summary) {
				s.Ready, s.Available = "False/Progressing", "True/ServingPreviousRevision"
				s.Other, s.Serving, s.Observed, s.KStatus = "Reconciling", old, 1, kstatus.InProgressStatus
			}),
		},
		"NoEndpoint": {
			reason: "ready pods that nothing is sent to answer nobody",
			change: func(o *FlowObservation) { o.Endpoints = 0 },
			want: with(ready, func(s *summary) {
				s.Ready, s.Available = "False/Progressing", "False/Progressing"
				s.Other, s.Observed, s.KStatus = "Reconciling", 0, kstatus.InProgressStatus
			}),
			message: "their address is not yet",
		},
		"PodLostLater": {
			reason: "a pod that is lost after the generation was Ready does not make it a new one",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 2, Revision: v1alpha1.RevisionStatus{Serving: current}},
			change: func(o *FlowObservation) {
				o.Pods, o.Endpoints = []corev1.Pod{pod(current, false)}, 0
				o.Deployment.Status.ReadyReplicas = 0
			},
			want: with(ready, func(s *summary) {
				s.Ready, s.Available, s.KStatus = "False/Progressing", "False/Progressing", kstatus.InProgressStatus
			}),
			message: "0 of 1 pods are ready",
		},
		"InvalidSpec": {
			reason: "a bad graph says every error, and the last good revision keeps serving",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Desired: old, Serving: old}},
			change: func(o *FlowObservation) {
				o.Problems = []graph.Problem{
					{Component: "chat", Field: "params.prompt", Message: "is required"},
					{Field: "edges[3].target", Message: `there is no component "x"`},
				}
				o.Desired, o.Pods = old, []corev1.Pod{pod(old, true)}
				o.Deployment.Spec.Template.Labels[render.RevisionLabel] = old
			},
			want: with(ready, func(s *summary) {
				s.Ready, s.Accepted, s.Available = "False/InvalidSpec", "False/InvalidSpec", "True/ServingPreviousRevision"
				s.Other, s.Serving, s.KStatus = "Stalled", old, kstatus.FailedStatus
			}),
			message: `component chat, field params.prompt: is required; field edges[3].target: there is no component "x"`,
		},
		"InvalidFromTheStart": {
			reason: "a bad graph that never ran has no address",
			change: func(o *FlowObservation) {
				o.Problems = []graph.Problem{{Component: "a", Field: "type", Message: "is unknown"}}
				o.Deployment, o.Pods, o.Endpoints, o.Addresses, o.Desired, o.Exposable = nil, nil, 0, nil, "", false
			},
			want: summary{
				Ready: "False/InvalidSpec", Accepted: "False/InvalidSpec", ResolvedRefs: "True/Resolved",
				Available: "False/InvalidSpec", Exposed: "False/InvalidSpec", Other: "Stalled", Observed: 2, KStatus: kstatus.FailedStatus,
			},
		},
		"WorkspaceMissing": {
			reason: "a flow in a namespace of no workspace does not run",
			change: func(o *FlowObservation) {
				o.Home = HomeMissing
				o.Deployment, o.Pods, o.Endpoints, o.Addresses = nil, nil, 0, nil
			},
			want: summary{
				Ready: "False/WorkspaceMissing", Accepted: "False/WorkspaceMissing", ResolvedRefs: "True/Resolved",
				Available: "False/WorkspaceMissing", Exposed: "False/WorkspaceMissing", Other: "Stalled", Observed: 2,
				KStatus: kstatus.FailedStatus,
			},
		},
		"WorkspaceNotReady": {
			reason: "a workspace that is being set up will be ready soon",
			change: func(o *FlowObservation) {
				o.Home = HomeNotReady
				o.Deployment, o.Pods, o.Endpoints, o.Addresses = nil, nil, 0, nil
			},
			want: summary{
				Ready: "False/WorkspaceNotReady", Accepted: "Unknown/WorkspaceNotReady", ResolvedRefs: "True/Resolved",
				Available: "False/WorkspaceNotReady", Exposed: "False/WorkspaceNotReady", Other: "Reconciling",
				KStatus: kstatus.InProgressStatus,
			},
		},
		"SecretAbsent": {
			reason: "a reference to nothing will not get better by itself",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: old}},
			change: func(o *FlowObservation) {
				o.Missing = []Missing{
					{Reason: v1alpha1.ReasonSecretNotFound, Message: `Secret "a" has no key "b" (component chat)`},
					{Reason: v1alpha1.ReasonVaultKeyNotFound, Message: `the vault has no key "c"`},
				}
				o.Pods = []corev1.Pod{pod(old, true)}
				o.Deployment.Spec.Template.Labels[render.RevisionLabel] = old
			},
			want: with(ready, func(s *summary) {
				s.Ready, s.ResolvedRefs, s.Available = "False/SecretNotFound", "False/SecretNotFound", "True/ServingPreviousRevision"
				s.Other, s.Serving, s.KStatus = "Stalled", old, kstatus.FailedStatus
			}),
			message: `Secret "a" has no key "b" (component chat); the vault has no key "c"`,
		},
		"NotChecked": {
			reason: "what could not be looked up is unknown, neither there nor absent",
			change: func(o *FlowObservation) { o.Unchecked = "the API is away" },
			want: with(ready, func(s *summary) {
				s.Ready, s.ResolvedRefs = "False/NotChecked", "Unknown/NotChecked"
				s.Other, s.Observed, s.KStatus = "Reconciling", 0, kstatus.InProgressStatus
			}),
		},
		"Paused": {
			reason: "a paused flow is not Ready, and keeps the name of the revision that served last",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: current}},
			change: func(o *FlowObservation) {
				o.Paused = true
				o.Deployment.Spec.Replicas = ptr.To[int32](0)
				o.Deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: o.Deployment.Generation}
				o.Pods, o.Endpoints = nil, 0
			},
			want: with(ready, func(s *summary) {
				s.Ready, s.Available, s.Other, s.KStatus = "False/Paused", "False/Paused", "Stalled", kstatus.FailedStatus
			}),
		},
		"ScaledToZero": {
			reason: "no pods by wish is said as such",
			change: func(o *FlowObservation) { o.ScaledToZero, o.Pods, o.Endpoints = true, nil, 0 },
			want: with(ready, func(s *summary) {
				s.Ready, s.Available, s.Serving = "False/ScaledToZero", "False/ScaledToZero", ""
				s.Other, s.KStatus = "Stalled", kstatus.FailedStatus
			}),
		},
		"NoOutput": {
			reason: "a flow without an output has no address, and says what is needed for one",
			change: func(o *FlowObservation) {
				o.Exposable = false
				o.Deployment, o.Pods, o.Endpoints, o.Addresses = nil, nil, 0, nil
			},
			want: summary{
				Ready: "False/NoInputOrOutput", Accepted: "True/Valid", ResolvedRefs: "True/Resolved",
				Available: "False/NoInputOrOutput", Exposed: "False/NoInputOrOutput", Other: "Stalled", Observed: 2,
				KStatus: kstatus.FailedStatus,
			},
			message: "output component",
		},
		"CrashLoop": {
			reason: "a crash tells the last words of the program",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{
					RestartCount: 3,
					State:        corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
						ExitCode: 1, Message: "starting\nthe revision cannot be read\n",
					}},
				})
			},
			want:    broken(ready, v1alpha1.ReasonCrashLoop),
			message: "exit code 1 (3 restarts): the revision cannot be read",
		},
		"CrashLoopBetweenCrashes": {
			reason: "in the moments in which a crashing program runs it is still crashing",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{
					RestartCount:         2,
					State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2}},
				})
			},
			want:    broken(ready, v1alpha1.ReasonCrashLoop),
			message: "exit code 2",
		},
		"OutOfMemory": {
			reason: "a program that runs out of memory says what to change",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{
					RestartCount:         2,
					State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}},
				})
			},
			want:    broken(ready, v1alpha1.ReasonCrashLoop),
			message: "limits.memory",
		},
		"NewRevisionCrashes": {
			reason: "a new revision that crashes does not take the old one down, nor hide behind it",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: old}},
			change: func(o *FlowObservation) {
				o.Pods = []corev1.Pod{pod(old, true), crashing(pod(current, false))}
				o.Deployment.Status.Replicas, o.Deployment.Status.UpdatedReplicas = 2, 1
			},
			want: with(broken(ready, v1alpha1.ReasonCrashLoop), func(s *summary) {
				s.Available, s.Serving = "True/ServingPreviousRevision", old
			}),
		},
		"OldRevisionCrashes": {
			reason: "a crash of the revision that is on its way out is not held against the new one",
			old:    v1alpha1.FlowStatus{ObservedGeneration: 1, Revision: v1alpha1.RevisionStatus{Serving: old}},
			change: func(o *FlowObservation) {
				o.Pods = []corev1.Pod{crashing(pod(old, false)), pod(current, false)}
				o.Endpoints = 0
				o.Deployment.Status.Replicas, o.Deployment.Status.ReadyReplicas = 2, 0
			},
			want: with(rollingOut, func(s *summary) { s.Serving, s.Observed = old, 1 }),
		},
		"ImagePull": {
			reason: "an image that cannot be pulled is named",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{
					Image: "weft/runtime:typo",
					State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}},
				})
			},
			want:    broken(ready, v1alpha1.ReasonImagePull),
			message: "weft/runtime:typo",
		},
		"ConfigError": {
			reason: "a Secret that is gone when the container starts is named",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
					Reason: "CreateContainerConfigError", Message: `secret "openai" not found`,
				}}})
			},
			want:    broken(ready, v1alpha1.ReasonSecretNotFound),
			message: `secret "openai" not found`,
		},
		"Quota": {
			reason: "a pod that the quota refuses is an error that a person must act on",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{})
				o.Pods = nil
				o.Deployment.Status.Conditions = []appsv1.DeploymentCondition{{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
					Message: `pods "x" is forbidden: exceeded quota: weft-quota, requested: pods=1`,
				}}
			},
			want:    broken(ready, v1alpha1.ReasonQuotaExceeded),
			message: "ask for a larger quota",
		},
		"PodRefused": {
			reason: "a pod that the API refuses for another reason tells the API's words",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{})
				o.Pods = nil
				o.Deployment.Status.Conditions = []appsv1.DeploymentCondition{{
					Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "violates PodSecurity",
				}}
			},
			want:    broken(ready, v1alpha1.ReasonApplyFailed),
			message: "violates PodSecurity",
		},
		"Unschedulable": {
			reason: "a node may be on its way, so a pod without one is not given up at once",
			change: unschedulable(false),
			want: with(rollingOut, func(s *summary) {
				s.Ready, s.Available = "False/Unschedulable", "False/Unschedulable"
			}),
			message: "no node has room",
		},
		"UnschedulableForTooLong": {
			reason: "after the rollout's deadline it is",
			change: unschedulable(true),
			want:   broken(ready, v1alpha1.ReasonUnschedulable),
		},
		"TimedOut": {
			reason: "a rollout without progress is given up",
			change: func(o *FlowObservation) {
				brokenPod(o, corev1.ContainerStatus{})
				o.Deployment.Status.Conditions = timedOut()
			},
			want:    broken(ready, v1alpha1.ReasonRolloutTimedOut),
			message: "0 of 1 pods became ready in time",
		},
		"Refused": {
			reason: "an object that the API refuses for good is named",
			change: func(o *FlowObservation) { o.Failure = &Failure{Message: "Service x: invalid", Permanent: true} },
			want: with(ready, func(s *summary) {
				s.Ready, s.Other, s.KStatus = "False/ApplyFailed", "Stalled", kstatus.FailedStatus
			}),
			message: "Service x: invalid",
		},
		"Trouble": {
			reason: "trouble with the API passes",
			change: func(o *FlowObservation) { o.Failure = &Failure{Message: "Service x: timeout"} },
			want: with(ready, func(s *summary) {
				s.Ready, s.Other, s.Observed, s.KStatus = "False/ApplyFailed", "Reconciling", 0, kstatus.InProgressStatus
			}),
			message: "trying again",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := settledFlow(current)
			if tc.change != nil {
				tc.change(&o)
			}
			got := Flow(tc.old, o, time.Unix(1, 0))
			if diff := cmp.Diff(tc.want, summarize(t, got, o.Generation)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady); !strings.Contains(c.Message, tc.message) {
				t.Errorf("%s\nmessage %q lacks %q", tc.reason, c.Message, tc.message)
			}
			flow := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Generation: o.Generation}, Status: got}
			for _, violation := range statustest.Violations(statustest.Flow(flow)) {
				t.Errorf("broken: %s\n%s", violation, statustest.Describe(statustest.Flow(flow)))
			}
			again := Flow(got, o, time.Unix(1000, 0))
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("the same observation changes the status again (-first +second):\n%s", diff)
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	var list []graph.Problem
	for i := range 500 {
		list = append(list, graph.Problem{Component: fmt.Sprint("c", i), Field: "type", Message: strings.Repeat("ä", 600)})
	}
	got := problems(list)
	if len(got) > maxMessage || !strings.Contains(got, "component c0, field type: ä") || !strings.HasSuffix(got, " more") {
		t.Errorf("%d bytes, %q", len(got), got)
	}
	if got := problems(list[:1]); strings.Contains(got, "more") {
		t.Errorf("one problem has no others: %q", got)
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	for limit := 4; limit < 20; limit++ {
		got := bounded("ääääääääääää\xff", limit)
		if len(got) > limit || strings.ToValidUTF8(got, "") != got {
			t.Errorf("bounded to %d: %q has %d bytes", limit, got, len(got))
		}
	}
}

func settledFlow(revision string) FlowObservation {
	return FlowObservation{
		Generation: 2,
		Exposable:  true,
		Desired:    revision,
		Addresses:  []v1alpha1.Address{{Type: "External", URL: "https://flows.example.com/f/shop/greeting"}},
		Deployment: &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Generation: 7},
			Spec: appsv1.DeploymentSpec{
				Replicas: ptr.To[int32](1),
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{render.RevisionLabel: revision}}},
			},
			Status: appsv1.DeploymentStatus{ObservedGeneration: 7, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1},
		},
		Pods:      []corev1.Pod{pod(revision, true)},
		Endpoints: 1,
	}
}

func pod(revision string, ready bool) corev1.Pod {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{render.RevisionLabel: revision}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}},
	}
}

func crashing(p corev1.Pod) corev1.Pod {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		RestartCount: 1, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
	}}
	return p
}

// brokenPod makes the flow's only pod one that is not ready.
func brokenPod(o *FlowObservation, c corev1.ContainerStatus) {
	broken := pod(o.Desired, false)
	broken.Status.ContainerStatuses = []corev1.ContainerStatus{c}
	o.Pods, o.Endpoints = []corev1.Pod{broken}, 0
	o.Deployment.Status.ReadyReplicas = 0
}

func unschedulable(late bool) func(*FlowObservation) {
	return func(o *FlowObservation) {
		brokenPod(o, corev1.ContainerStatus{})
		o.Pods[0].Status.Conditions = append(o.Pods[0].Status.Conditions, corev1.PodCondition{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes",
		})
		if late {
			o.Deployment.Status.Conditions = timedOut()
		}
	}
}

func timedOut() []appsv1.DeploymentCondition {
	return []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
	}}
}

func with(s summary, change func(*summary)) summary {
	change(&s)
	return s
}

// broken is a flow without a ready pod that a person must look after.
func broken(s summary, reason string) summary {
	s.Ready, s.Available = "False/"+reason, "False/"+reason
	s.Other, s.Serving, s.KStatus = "Stalled", "", kstatus.FailedStatus
	return s
}

func summarize(t *testing.T, s v1alpha1.FlowStatus, generation int64) summary {
	t.Helper()
	condition := func(kind string) string {
		c := meta.FindStatusCondition(s.Conditions, kind)
		if c == nil {
			return ""
		}
		return string(c.Status) + "/" + c.Reason
	}
	out := summary{
		Ready: condition("Ready"), Accepted: condition("Accepted"), ResolvedRefs: condition("ResolvedRefs"),
		Available: condition("Available"), Exposed: condition("Exposed"), Serving: s.Revision.Serving,
		Observed: s.ObservedGeneration,
	}
	for _, kind := range []string{"Reconciling", "Stalled"} {
		if condition(kind) != "" {
			out.Other += kind
		}
	}
	flow := &v1alpha1.Flow{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Flow"},
		ObjectMeta: metav1.ObjectMeta{Name: "f", Namespace: "n", Generation: generation}, Status: s,
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(flow)
	if err != nil {
		t.Fatal(err)
	}
	result, err := kstatus.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	out.KStatus = result.Status
	return out
}
