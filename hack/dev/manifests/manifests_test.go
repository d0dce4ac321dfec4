package manifests_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/weft-run/weft/hack/dev/manifests"
)

// TestPods holds both pods to the restricted standard and to 4Gi.
func TestPods(t *testing.T) {
	t.Parallel()
	images := manifests.Images{Postgres: "example.com/postgres:1", Redis: "example.com/redis:2"}
	objects, err := manifests.Databases(images)
	if err != nil {
		t.Fatal(err)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	want := map[string]string{"weft-postgres": images.Postgres, "weft-redis": images.Redis}
	for _, o := range objects {
		if o.GetNamespace() != manifests.System {
			t.Errorf("%s %s is in namespace %q", o.GetKind(), o.GetName(), o.GetNamespace())
		}
		template := podTemplate(t, o)
		if template == nil {
			continue
		}
		if result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec)); !result.Allowed {
			t.Errorf("%s is not restricted: %s", o.GetName(), result.ForbiddenDetail())
		}
		c := template.Spec.Containers[0]
		if limit := c.Resources.Limits[corev1.ResourceMemory]; limit.IsZero() || limit.Cmp(resource.MustParse("4Gi")) > 0 {
			t.Errorf("%s has the memory limit %s, want one of at most 4Gi", o.GetName(), limit.String())
		}
		if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s: its root can be written", o.GetName())
		}
		if c.Image != want[o.GetName()] {
			t.Errorf("%s has the image %q, want %q", o.GetName(), c.Image, want[o.GetName()])
		}
		delete(want, o.GetName())
	}
	if len(want) > 0 {
		t.Errorf("these run nowhere: %v", want)
	}
}

// podTemplate returns the pods of a workload, or nil.
func podTemplate(t *testing.T, o *unstructured.Unstructured) *corev1.PodTemplateSpec {
	t.Helper()
	var err error
	var template *corev1.PodTemplateSpec
	switch o.GetKind() {
	case "Deployment":
		d := &appsv1.Deployment{}
		err, template = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, d, true), &d.Spec.Template
	case "StatefulSet":
		s := &appsv1.StatefulSet{}
		err, template = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, s, true), &s.Spec.Template
	}
	if err != nil {
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return template
}
