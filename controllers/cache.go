package controllers

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
)

// CacheOptions keeps in memory what the operator itself made, and of that only
// the parts that it looks at. At thousands of flows this is most of its memory.
func CacheOptions(systemNamespace string) (cache.Options, error) {
	requirement, err := labels.NewRequirement(v1alpha1.WorkspaceLabel, selection.Exists, nil)
	if err != nil {
		return cache.Options{}, fmt.Errorf("selecting by label %s: %w", v1alpha1.WorkspaceLabel, err)
	}
	ours := cache.ByObject{Label: labels.NewSelector().Add(*requirement)}
	pods := ours
	pods.Transform = slimPod
	byObject := map[client.Object]cache.ByObject{
		&corev1.Pod{}: pods,
		&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{
			cache.AllNamespaces: {LabelSelector: ours.Label, Transform: slimConfigMap},
			systemNamespace: {
				LabelSelector: labels.Everything(),
				FieldSelector: fields.OneTermEqualSelector("metadata.name", render.TrustName),
			},
		}},
	}
	for _, object := range []client.Object{
		&corev1.Namespace{}, &corev1.Service{}, &corev1.ServiceAccount{}, &corev1.ResourceQuota{}, &corev1.LimitRange{},
		&appsv1.Deployment{}, &networkingv1.NetworkPolicy{}, &rbacv1.RoleBinding{}, &discoveryv1.EndpointSlice{},
		&policyv1.PodDisruptionBudget{}, &autoscalingv2.HorizontalPodAutoscaler{},
	} {
		byObject[object] = ours
	}
	return cache.Options{
		ByObject:         byObject,
		DefaultTransform: cache.TransformStripManagedFields(),
		// A read of a kind that is not watched would quietly start to watch it
		// in the whole cluster.
		ReaderFailOnMissingInformer: true,
	}, nil
}

// slimPod keeps what the status is computed from.
func slimPod(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.ManagedFields = nil
		pod.Annotations = nil
		pod.Spec = corev1.PodSpec{}
		pod.Status = corev1.PodStatus{Conditions: pod.Status.Conditions, ContainerStatuses: pod.Status.ContainerStatuses}
	}
	return object, nil
}

// slimConfigMap drops the content of revisions: they never change, and the few
// times that one is needed it is read from the API.
func slimConfigMap(object any) (any, error) {
	if c, ok := object.(*corev1.ConfigMap); ok {
		c.ManagedFields = nil
		if c.Labels[render.RevisionLabel] != "" {
			c.Data = nil
		}
	}
	return object, nil
}
