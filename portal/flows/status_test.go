package flows

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/store"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	saved := store.Flow{CurrentVersion: 2, AppliedVersion: 2}
	stalled := withReady(metav1.ConditionFalse, v1alpha1.ReasonCrashLoop)
	stalled.Status.Conditions[0].Message = "the runtime exits"
	stalled.Status.Conditions = append(stalled.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue})
	older := withReady(metav1.ConditionTrue, v1alpha1.ReasonReady)
	older.Generation = 2
	cases := map[string]struct {
		reason string
		flow   store.Flow
		object *v1alpha1.Flow
		away   bool
		want   Status
	}{
		"Draft": {
			reason: "what was never saved is a draft",
			want:   Status{State: PhaseDraft},
		},
		"Waiting": {
			reason: "a save that has not arrived is not lost, and says so",
			flow:   store.Flow{CurrentVersion: 2, AppliedVersion: 1, SyncReason: reasonAway},
			object: withReady(metav1.ConditionTrue, v1alpha1.ReasonReady),
			want:   Status{State: PhaseWaiting, Reason: reasonAway, Message: waitingMessage, Version: 2},
		},
		"Conflict": {
			reason: "a conflict is shown until it is resolved",
			flow:   store.Flow{CurrentVersion: 2, AppliedVersion: 1, SyncReason: reasonConflict, SyncMessage: "kubectl"},
			want:   Status{State: PhaseConflict, Reason: reasonConflict, Message: "kubectl", Version: 2},
		},
		"Refused": {
			reason: "what the cluster refused is shown in its words",
			flow:   store.Flow{CurrentVersion: 2, AppliedVersion: 1, SyncReason: reasonRefused, SyncMessage: "quota"},
			want:   Status{State: PhaseFailed, Reason: reasonRefused, Message: "quota", Version: 2},
		},
		"Ready": {
			reason: "Ready is what the cluster says of this generation",
			flow:   saved, object: withReady(metav1.ConditionTrue, v1alpha1.ReasonReady),
			want: Status{State: PhaseReady, Ready: true, Reason: v1alpha1.ReasonReady, Version: 2},
		},
		"OlderGeneration": {
			reason: "Ready of an older generation says nothing of this one",
			flow:   saved, object: older,
			want: Status{State: PhaseProgressing, Message: "The cluster is starting this version.", Version: 2},
		},
		"NoAddress": {
			reason: "a flow without a start or an output is saved, and nothing is wrong",
			flow:   saved, object: withReady(metav1.ConditionFalse, v1alpha1.ReasonNoInputOrOutput),
			want: Status{State: PhaseSaved, Reason: v1alpha1.ReasonNoInputOrOutput, Version: 2},
		},
		"Paused": {
			reason: "a paused flow is no failure",
			flow:   saved, object: withReady(metav1.ConditionFalse, v1alpha1.ReasonPaused),
			want: Status{State: PhasePaused, Reason: v1alpha1.ReasonPaused, Version: 2},
		},
		"Failed": {
			reason: "what will not get better by itself needs its owner",
			flow:   saved, object: stalled,
			want: Status{State: PhaseFailed, Reason: v1alpha1.ReasonCrashLoop, Message: "the runtime exits", Version: 2},
		},
		"Away": {
			reason: "nobody claims to know what the cluster does not say",
			flow:   saved, away: true,
			want: Status{State: PhaseUnknown, Message: "The cluster does not answer right now.", Version: 2},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, statusOf(tc.flow, tc.object, tc.away)); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		title string
		taken []string
		want  string
	}{
		"Plain":    {title: "blanc flow", want: "blanc-flow"},
		"Accents":  {title: "Responder a reseñas ¡ya!", want: "responder-a-resenas-ya"},
		"Digits":   {title: "3 posts", want: "flow-3-posts"},
		"Nothing":  {title: "日本", want: "flow"},
		"Taken":    {title: "blanc flow", taken: []string{"blanc-flow", "blanc-flow-2"}, want: "blanc-flow-3"},
		"Long":     {title: "a very long title that goes on and on and on and on and on", want: "a-very-long-title-that-goes-on-and-on-and-on-and-o"},
		"LongPair": {title: "a very long title that goes on and on and on and on and on", taken: []string{"a-very-long-title-that-goes-on-and-on-and-on-and-o"}, want: "a-very-long-title-that-goes-on-and-on-and-on-and-2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := freeSlug(tc.title, tc.taken); got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.title, got, tc.want)
			}
		})
	}
}

func TestTimestamps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"31231231": 31231231000, "1700000000": 1700000000000, "1700000000123": 1700000000123} {
		got, err := ParseTimestamp(text)
		if err != nil || got.Time.UnixMilli() != want {
			t.Errorf("%q is %d ms (%v), want %d", text, got.Time.UnixMilli(), err, want)
		}
	}
	for _, text := range []string{"-1", "soon", "1.5"} {
		if _, err := ParseTimestamp(text); err == nil {
			t.Errorf("%q is taken for a timestamp", text)
		}
	}
}

func TestNUL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{`"a\u0000b"`: true, `"a\\u0000b"`: false, `"a\\\u0000b"`: true, `"plain"`: false} {
		if got := hasNUL([]byte(text)); got != want {
			t.Errorf("hasNUL(%s) = %v, want %v", text, got, want)
		}
	}
}
