package render

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/weft-run/weft/api/v1alpha1"
)

// scale is how many pods a flow may have.
type scale struct {
	min, max int32
	paused   bool
}

func scaling(spec *v1alpha1.FlowSpec) scale {
	s := scale{min: 1, paused: spec.State == v1alpha1.StatePaused}
	if r := spec.Runtime.Replicas; r != nil {
		s.min = ptr.Deref(r.Min, s.min)
		s.max = ptr.Deref(r.Max, 0)
	}
	s.max = max(s.max, s.min, 1)
	return s
}

// ScaledToZero says whether the spec asks for no pods without being paused.
func ScaledToZero(spec *v1alpha1.FlowSpec) bool {
	s := scaling(spec)
	return !s.paused && s.min == 0
}

// autoscaled says whether a HorizontalPodAutoscaler decides the number of pods.
func (s scale) autoscaled() bool { return !s.paused && s.min > 0 && s.max > s.min }

func (s scale) disruptionBudget() bool { return !s.paused && s.min > 0 && s.max > 1 }

// replicas is nil where an autoscaler decides: a field that is not applied is
// not fought over.
func (s scale) replicas() *int32 {
	switch {
	case s.paused:
		return ptr.To[int32](0)
	case s.autoscaled():
		return nil
	default:
		return new(s.min)
	}
}

func (s scale) decidedBy() string {
	if s.autoscaled() {
		return ReplicasByAutoscaler
	}
	return ReplicasByOperator
}

func (w *workload) disruptionBudget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: w.meta(),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: w.selector},
			// A pod that does not serve may always be moved away.
			UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
		},
	}
}

func (w *workload) autoscaler(s scale, r *v1alpha1.Resources) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: w.meta(),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment", Name: w.name,
			},
			MinReplicas: new(s.min),
			MaxReplicas: s.max,
			Metrics: []autoscalingv2.MetricSpec{{
				Type: autoscalingv2.ResourceMetricSourceType,
				Resource: &autoscalingv2.ResourceMetricSource{
					Name: corev1.ResourceCPU,
					// An amount, not a share of the request: the request is
					// next to nothing on purpose.
					Target: autoscalingv2.MetricTarget{
						Type:         autoscalingv2.AverageValueMetricType,
						AverageValue: new(targetCPU(r)),
					},
				},
			}},
		},
	}
}

// targetCPU is half a core, or seven tenths of the limit where that is less.
func targetCPU(r *v1alpha1.Resources) resource.Quantity {
	target := resource.MustParse("500m")
	limit, ok := resources(r).Limits[corev1.ResourceCPU]
	if !ok {
		return target
	}
	share := resource.NewMilliQuantity(max(1, limit.MilliValue()*7/10), resource.DecimalSI)
	if share.Cmp(target) < 0 {
		return *share
	}
	return target
}

func networkPolicyNamed(meta metav1.ObjectMeta) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: meta}
}
