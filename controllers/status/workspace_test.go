package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/status/statustest"
)

func TestWorkspace(t *testing.T) {
	t.Parallel()
	type want struct {
		ready, accepted, trust, available string
		other                             string
		kstatus                           kstatus.Status
	}
	ready := want{"True/Ready", "True/Valid", "True/Resolved", "True/Serving", "", kstatus.CurrentStatus}
	cases := map[string]struct {
		reason  string
		change  func(*WorkspaceObservation)
		want    want
		message string
	}{
		"Ready": {
			reason:  "the namespace is closed and bounded, and drafts can be run",
			change:  func(*WorkspaceObservation) {},
			want:    ready,
			message: "weft-ws-shop",
		},
		"Conflict": {
			reason: "a namespace of somebody else's is an error that a person must act on",
			change: func(o *WorkspaceObservation) {
				*o = WorkspaceObservation{Generation: 1, Conflict: true, TrustFound: true}
			},
			want: want{
				"False/NamespaceConflict", "False/NamespaceConflict", "True/Resolved", "False/NamespaceConflict",
				"Stalled", kstatus.FailedStatus,
			},
			message: "choose another name",
		},
		"Going": {
			reason: "a namespace that is being deleted will be gone",
			change: func(o *WorkspaceObservation) {
				*o = WorkspaceObservation{Generation: 1, Going: true, TrustFound: true}
			},
			want: want{
				"False/NamespaceConflict", "False/NamespaceConflict", "True/Resolved", "False/NamespaceConflict",
				"Reconciling", kstatus.InProgressStatus,
			},
		},
		"NoTrust": {
			reason: "without the portal's public keys no request could be checked",
			change: func(o *WorkspaceObservation) {
				o.TrustFound, o.Deployment, o.Pods, o.Endpoints = false, nil, nil, 0
			},
			want: want{
				"False/TrustNotFound", "True/Valid", "False/TrustNotFound", "False/TrustNotFound",
				"Reconciling", kstatus.InProgressStatus,
			},
			message: "the portal makes it",
		},
		"Refused": {
			reason: "an object that the API refuses is named",
			change: func(o *WorkspaceObservation) {
				o.Failure = &Failure{Message: "ResourceQuota weft-quota: invalid", Permanent: true}
			},
			want:    want{"False/ApplyFailed", "True/Valid", "True/Resolved", "True/Serving", "Stalled", kstatus.FailedStatus},
			message: "ResourceQuota weft-quota",
		},
		"JustWritten": {
			reason: "what was seen before the last write says nothing about it",
			change: func(o *WorkspaceObservation) { o.Changed = true },
			want: want{
				"False/Progressing", "True/Valid", "True/Resolved", "True/Serving", "Reconciling", kstatus.InProgressStatus,
			},
		},
		"Disabled": {
			reason: "flows can be deployed without a test runtime",
			change: func(o *WorkspaceObservation) {
				o.TestRuntimeDisabled, o.Deployment, o.Pods, o.Endpoints = true, nil, nil, 0
			},
			want: want{
				"True/Ready", "True/Valid", "True/Resolved", "True/TestRuntimeDisabled", "", kstatus.CurrentStatus,
			},
		},
		"TestRuntimeCrashes": {
			reason: "a test runtime that crashes is told as such",
			change: func(o *WorkspaceObservation) {
				o.Pods, o.Endpoints = []corev1.Pod{crashing(pod("", false))}, 0
				o.Deployment.Status.ReadyReplicas = 0
			},
			want: want{
				"False/CrashLoop", "True/Valid", "True/Resolved", "False/CrashLoop", "Stalled", kstatus.FailedStatus,
			},
			message: "test runtime: ",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := settledWorkspace()
			tc.change(&o)
			status := Workspace(v1alpha1.WorkspaceStatus{}, o, time.Unix(1, 0))
			ws := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Generation: o.Generation}, Status: status}
			of := func(kind string) string {
				c := meta.FindStatusCondition(status.Conditions, kind)
				if c == nil {
					return ""
				}
				return string(c.Status) + "/" + c.Reason
			}
			got := want{ready: of("Ready"), accepted: of("Accepted"), trust: of("ResolvedRefs"), available: of("Available")}
			for _, kind := range []string{"Reconciling", "Stalled"} {
				if of(kind) != "" {
					got.other += kind
				}
			}
			var err error
			if got.kstatus, _, err = statustest.KStatus(ws, "Workspace"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
			if c := meta.FindStatusCondition(status.Conditions, "Ready"); !strings.Contains(c.Message, tc.message) {
				t.Errorf("%s\nmessage %q lacks %q", tc.reason, c.Message, tc.message)
			}
			for _, violation := range statustest.Violations(statustest.Workspace(ws)) {
				t.Errorf("broken: %s", violation)
			}
			if diff := cmp.Diff(status, Workspace(status, o, time.Unix(1000, 0))); diff != "" {
				t.Errorf("the same observation changes the status again (-first +second):\n%s", diff)
			}
		})
	}
}

func settledWorkspace() WorkspaceObservation {
	flow := settledFlow("")
	return WorkspaceObservation{
		Generation: 1, Namespace: "weft-ws-shop", TrustFound: true,
		Deployment: flow.Deployment, Pods: flow.Pods, Endpoints: 1,
	}
}
