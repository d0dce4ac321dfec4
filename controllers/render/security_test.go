package render

import (
	"fmt"
	"strconv"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

// TestPodsAreRestricted keeps promise N4: every pod that we render passes the
// level "restricted" of the Pod Security Standards, and our own rules, whatever
// the options.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	n := 0
	for name, template := range podTemplates(t) {
		n++
		for _, result := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		for _, problem := range ownRules(template) {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if n < 100 {
		t.Fatalf("only %d pods were rendered", n)
	}
}

// podTemplates renders the cross product of everything that a pod depends on.
func podTemplates(t *testing.T) map[string]corev1.PodTemplateSpec {
	t.Helper()
	memory := []*resource.Quantity{nil, quantity("16Mi"), quantity("1Gi"), quantity("4Gi")}
	cpu := []*resource.Quantity{nil, quantity("10m"), quantity("2")}
	credentials := []*v1alpha1.Credential{nil, secretRef("s", "k"), {VaultKeyRef: &v1alpha1.VaultKeyRef{Name: "v"}}}
	replicas := []*v1alpha1.Replicas{nil, {Min: ptr.To[int32](0)}, {Min: ptr.To[int32](2), Max: ptr.To[int32](3)}}
	states := []v1alpha1.State{v1alpha1.StateRunning, v1alpha1.StatePaused}
	out := map[string]corev1.PodTemplateSpec{}
	for m, mem := range memory {
		for c, cores := range cpu {
			r := &v1alpha1.Resources{Limits: &v1alpha1.ResourceAmounts{Memory: mem, CPU: cores}}
			ws := workspace()
			ws.Spec.TestRuntime = &v1alpha1.TestRuntime{Resources: r}
			out[fmt.Sprintf("test runtime memory %d cpu %d", m, c)] = template(t, TestRuntime(options(), ws))
			for i, credential := range credentials {
				for j, pods := range replicas {
					for _, state := range states {
						in := flowInput()
						in.Spec.Runtime.Resources = r
						in.Spec.Runtime.Replicas = pods
						in.Spec.Components[1].Credential = credential
						in.Spec.State = state
						name := fmt.Sprintf("flow memory %d cpu %d credential %d replicas %d %s", m, c, i, j, state)
						out[name] = template(t, flowObjects(t, in))
					}
				}
			}
		}
	}
	return out
}

func template(t *testing.T, objects []client.Object) corev1.PodTemplateSpec {
	t.Helper()
	for _, object := range objects {
		if d, ok := object.(*appsv1.Deployment); ok {
			return d.Spec.Template
		}
	}
	t.Fatal("no Deployment was rendered")
	return corev1.PodTemplateSpec{}
}

// ownRules are what we promise beyond the standard.
func ownRules(template corev1.PodTemplateSpec) []string {
	var problems []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	pod := template.Spec
	check(!ptr.Deref(pod.AutomountServiceAccountToken, true), "the API token is mounted")
	for _, v := range pod.Volumes {
		check(v.HostPath == nil, "volume %s is a hostPath", v.Name)
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			check(source.ServiceAccountToken == nil || source.ServiceAccountToken.Audience == "weft-vault",
				"volume %s holds a token that is not for the vault", v.Name)
		}
	}
	for _, c := range pod.Containers {
		limit := c.Resources.Limits.Memory()
		check(ptr.Deref(c.SecurityContext.ReadOnlyRootFilesystem, false), "the root file system is writable")
		check(limit.Sign() > 0 && limit.Cmp(resource.MustParse("4Gi")) <= 0, "the memory limit is %s", limit)
		for name, request := range c.Resources.Requests {
			if most, ok := c.Resources.Limits[name]; ok {
				check(request.Cmp(most) <= 0, "the %s request %s is above the limit %s", name, request.String(), most.String())
			}
		}
		goLimit, err := strconv.ParseInt(env(c, "GOMEMLIMIT"), 10, 64)
		check(err == nil && goLimit > limit.Value()*89/100 && goLimit <= limit.Value()*9/10,
			"GOMEMLIMIT is %q with a limit of %s", env(c, "GOMEMLIMIT"), limit)
	}
	return problems
}

func env(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// TestSelectorsAreOfThisObject keeps pods of a deleted flow from answering for
// a new one of the same name.
func TestSelectorsAreOfThisObject(t *testing.T) {
	t.Parallel()
	in := flowInput()
	for _, object := range flowObjects(t, in) {
		var selector map[string]string
		switch o := object.(type) {
		case *appsv1.Deployment:
			selector = o.Spec.Selector.MatchLabels
			for key, value := range selector {
				if o.Spec.Template.Labels[key] != value {
					t.Errorf("pods lack the label %s=%s of their selector", key, value)
				}
			}
		case *corev1.Service:
			selector = o.Spec.Selector
		default:
			continue
		}
		if selector[UIDLabel] != string(in.UID) {
			t.Errorf("the selector of %T lacks the flow's UID: %v", object, selector)
		}
	}
}
