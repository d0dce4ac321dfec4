package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/weft-run/weft/api/v1alpha1"
)

func TestScaling(t *testing.T) {
	t.Parallel()
	type want struct {
		replicas   int32 // -1: the autoscaler decides
		autoscaled bool
		budget     bool
		zero       bool
	}
	cases := map[string]struct {
		reason   string
		low, top int32 // -1: not set
		state    v1alpha1.State
		want     want
	}{
		"Default":      {"one pod", -1, -1, "", want{replicas: 1}},
		"Fixed":        {"max follows min", 3, -1, "", want{replicas: 3, budget: true}},
		"Same":         {"nothing to decide", 2, 2, "", want{replicas: 2, budget: true}},
		"Range":        {"an autoscaler decides, and a node may be drained", 1, 4, "", want{replicas: -1, autoscaled: true, budget: true}},
		"OnlyMax":      {"min is 1", -1, 4, "", want{replicas: -1, autoscaled: true, budget: true}},
		"Zero":         {"no pods by wish", 0, -1, "", want{zero: true}},
		"ZeroAndMax":   {"an autoscaler cannot start from nothing", 0, 4, "", want{zero: true}},
		"Paused":       {"paused wins", 2, 4, v1alpha1.StatePaused, want{}},
		"PausedAtZero": {"paused, not scaled to zero", 0, -1, v1alpha1.StatePaused, want{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := &v1alpha1.FlowSpec{State: tc.state, Runtime: v1alpha1.Runtime{Replicas: &v1alpha1.Replicas{}}}
			if tc.low >= 0 {
				spec.Runtime.Replicas.Min = &tc.low
			}
			if tc.top >= 0 {
				spec.Runtime.Replicas.Max = &tc.top
			}
			s := scaling(spec)
			got := want{
				replicas: ptr.Deref(s.replicas(), -1), autoscaled: s.autoscaled(), budget: s.disruptionBudget(), zero: ScaledToZero(spec),
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTargetCPU(t *testing.T) {
	t.Parallel()
	for limit, want := range map[string]string{"": "500m", "4": "500m", "500m": "350m", "10m": "7m"} {
		var r *v1alpha1.Resources
		if limit != "" {
			r = &v1alpha1.Resources{Limits: &v1alpha1.ResourceAmounts{CPU: quantity(limit)}}
		}
		if got := targetCPU(r); got.String() != want {
			t.Errorf("with limit %q the target is %s, want %s", limit, got.String(), want)
		}
	}
}
