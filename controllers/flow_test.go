package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
)

func TestFlowBecomesReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.newFlow("greeting", nil))
	flow := w.waitFor("greeting", "Ready=False/Progressing")
	if err := hasCondition(flow, "Reconciling=True/Progressing"); err != nil {
		t.Error(err)
	}
	w.rollOut("greeting")
	flow = w.waitFor("greeting", "Ready=True/Ready")

	want := v1alpha1.FlowStatus{
		ObservedGeneration: 1,
		URL:                "https://flows.example.com/f/" + w.name + "/greeting",
		Addresses: []v1alpha1.Address{
			{Type: "External", URL: "https://flows.example.com/f/" + w.name + "/greeting"},
			{Type: "Internal", URL: "http://flow-greeting." + w.namespace() + ".svc"},
		},
		Revision: v1alpha1.RevisionStatus{Desired: flow.Status.Revision.Desired, Serving: flow.Status.Revision.Desired},
		Replicas: 1,
		Selector: render.FlowSelector(w.name, "greeting", flow.UID),
	}
	got := flow.Status
	got.Conditions = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	w.settle("greeting")
}

// TestChildrenAreOwned: the garbage collector deletes them with the flow, and a
// flow that is being deleted brings none back.
func TestChildrenAreOwned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.newFlow("greeting", nil)
	flow.Spec.Runtime.Replicas = &v1alpha1.Replicas{Min: ptr.To[int32](2), Max: ptr.To[int32](3)}
	w.create(flow)
	eventually(t, "autoscaler", func() error { return w.get("flow-greeting", new(autoscalingv2.HorizontalPodAutoscaler)) })
	flow = w.waitFor("greeting", "Reconciling=True/Progressing")
	revision := &corev1.ConfigMap{}
	revision.Name = render.RevisionName("greeting", flow.Status.Revision.Desired)
	children := append(render.FlowKinds("greeting", w.namespace()), revision)
	for _, child := range children {
		w.mustGet(child.GetName(), child)
		ref := metav1.GetControllerOf(child)
		if ref == nil || ref.UID != flow.UID || ref.Kind != "Flow" || !ptr.Deref(ref.BlockOwnerDeletion, false) {
			t.Errorf("%T %s is owned by %v", child, child.GetName(), ref)
		}
		managers := map[string]bool{}
		for _, field := range child.GetManagedFields() {
			managers[field.Manager] = true
		}
		if diff := cmp.Diff(map[string]bool{"weft-operator": true}, managers); diff != "" {
			t.Errorf("%T has other field managers:\n%s", child, diff)
		}
	}
	if len(children) != 7 {
		t.Errorf("%d children", len(children))
	}

	ctx := context.Background()
	if err := w.admin.Delete(ctx, flow); err != nil {
		t.Fatal(err)
	}
	eventually(t, "flow gone", func() error { return gone(w.get("greeting", new(v1alpha1.Flow))) })
	for _, child := range children {
		if err := w.admin.Delete(ctx, child); err != nil {
			t.Fatal(err)
		}
	}
	// What is deleted after a fence that the operator has passed stays deleted.
	w.readyFlow("fence")
	for _, child := range children {
		if err := gone(w.get(child.GetName(), child)); err != nil {
			t.Errorf("%T %s: %v", child, child.GetName(), err)
		}
	}
}

func TestBadGraphKeepsTheLastGoodRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.readyFlow("greeting")
	good := before.Status.Revision.Serving
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
		f.Spec.Components[1].Type = "no-such-step"
		f.Spec.Edges = append(f.Spec.Edges, v1alpha1.Edge{ID: "c", Origin: "hello", Target: "nowhere"})
	})
	flow := w.waitFor("greeting", "Ready=False/InvalidSpec")
	for _, condition := range []string{
		"Accepted=False/InvalidSpec", "Stalled=True/InvalidSpec", "Available=True/ServingPreviousRevision", "Exposed=True/Addressed",
	} {
		if err := hasCondition(flow, condition); err != nil {
			t.Error(err)
		}
	}
	if flow.Status.Revision.Serving != good || flow.Status.Revision.Desired != good || flow.Status.URL != before.Status.URL {
		t.Errorf("revision %+v at %q, want %s", flow.Status.Revision, flow.Status.URL, good)
	}
	message := meta.FindStatusCondition(flow.Status.Conditions, "Accepted").Message
	for _, part := range []string{"component hello", "no-such-step", "nowhere"} {
		if !strings.Contains(message, part) {
			t.Errorf("message %q lacks %q", message, part)
		}
	}
	deployment := new(appsv1.Deployment)
	w.mustGet("flow-greeting", deployment)
	if got := deployment.Spec.Template.Labels[render.RevisionLabel]; got != good {
		t.Errorf("the Deployment runs revision %s, want %s", got, good)
	}
	w.settle("greeting")

	// Somebody deletes the Deployment: the good revision comes back.
	if err := w.admin.Delete(context.Background(), deployment); err != nil {
		t.Fatal(err)
	}
	w.rollOut("greeting")
	w.mustGet("flow-greeting", deployment)
	if got := deployment.Spec.Template.Labels[render.RevisionLabel]; got != good {
		t.Errorf("the new Deployment runs revision %s, want %s", got, good)
	}
	w.waitFor("greeting", "Available=True/ServingPreviousRevision")

	// Pausing works all the same.
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StatePaused })
	eventually(t, "no replicas", func() error { return w.wantReplicas("greeting", 0) })

	// The spec is repaired.
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) { f.Spec = w.newFlow("greeting", nil).Spec })
	eventually(t, "one replica", func() error { return w.wantReplicas("greeting", 1) })
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
}

// TestBadGraphRollsNothingOut: what was set beside the graph since the revision
// was stored stays set.
func TestBadGraphRollsNothingOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.newFlow("greeting", nil)
	flow.Spec.Runtime.Resources = &v1alpha1.Resources{Limits: &v1alpha1.ResourceAmounts{CPU: new(resource.MustParse("1"))}}
	w.create(flow)
	w.playUntilReady("greeting")
	change(w, "greeting", flow, func(f *v1alpha1.Flow) {
		f.Spec.Runtime.Resources = &v1alpha1.Resources{Limits: &v1alpha1.ResourceAmounts{Memory: new(resource.MustParse("256Mi"))}}
	})
	w.playUntilReady("greeting")
	before := new(appsv1.Deployment)
	w.mustGet("flow-greeting", before)
	change(w, "greeting", flow, func(f *v1alpha1.Flow) { f.Spec.Components[1].Type = "no-such-step" })
	w.waitFor("greeting", "Ready=False/InvalidSpec")
	w.settle("greeting")
	after := new(appsv1.Deployment)
	w.mustGet("flow-greeting", after)
	if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
		t.Errorf("a bad graph changed the Deployment (-before +after):\n%s", diff)
	}
}

func (w *world) wantReplicas(flow string, n int32) error {
	deployment := new(appsv1.Deployment)
	if err := w.get(render.FlowObjectName(flow), deployment); err != nil {
		return err
	}
	if got := ptr.Deref(deployment.Spec.Replicas, -1); got != n {
		return fmt.Errorf("%d replicas, want %d", got, n)
	}
	return nil
}

func TestCrashLoopIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.newFlow("greeting", nil))
	w.play("greeting", kubelet{container: corev1.ContainerStatus{
		Image: "x", RestartCount: 4,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 1, Message: "the trust file cannot be read",
		}},
	}})
	flow := w.waitFor("greeting", "Ready=False/CrashLoop")
	if message := meta.FindStatusCondition(flow.Status.Conditions, "Stalled").Message; !strings.Contains(message, "trust file") {
		t.Errorf("message %q", message)
	}
	if err := hasCondition(flow, "Available=False/CrashLoop"); err != nil {
		t.Error(err)
	}
	w.settle("greeting")
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
}

func TestQuotaIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(w.newFlow("greeting", nil))
	w.play("greeting", kubelet{conditions: []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
		Message: `pods "x" is forbidden: exceeded quota: weft-quota`,
	}}})
	w.waitFor("greeting", "Stalled=True/QuotaExceeded")
}

func TestSecretAppears(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: "openai", Key: "api-key"}}
	w.create(w.newFlow("greeting", ref))
	flow := w.waitFor("greeting", "ResolvedRefs=False/SecretNotFound")
	message := meta.FindStatusCondition(flow.Status.Conditions, "Ready").Message
	if !strings.Contains(message, `"openai"`) || !strings.Contains(message, "component hello") {
		t.Errorf("message %q", message)
	}
	if err := gone(w.get("flow-greeting", new(appsv1.Deployment))); err != nil {
		t.Errorf("a pod would wait for the Secret for minutes: Deployment: %v", err)
	}
	w.settle("greeting")

	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "openai", Namespace: w.namespace()},
		Data:       map[string][]byte{"other": []byte("x")},
	}
	w.create(secret)
	eventually(t, "the missing key is named", func() error {
		message := meta.FindStatusCondition(w.flow("greeting").Status.Conditions, "Ready").Message
		if !strings.Contains(message, `has no key "api-key"`) {
			return fmt.Errorf("message %q", message)
		}
		return nil
	})
	change(w, "openai", secret, func(s *corev1.Secret) { s.Data["api-key"] = []byte("sk-canary") })
	w.rollOut("greeting")
	flow = w.waitFor("greeting", "Ready=True/Ready")
	generation := deploymentGeneration(w, "greeting")

	// A changed value is followed as a file, without a new pod.
	change(w, "openai", secret, func(s *corev1.Secret) { s.Data["api-key"] = []byte("sk-other") })
	w.settle("greeting")
	if got := deploymentGeneration(w, "greeting"); got != generation {
		t.Errorf("generation of the Deployment went from %d to %d", generation, got)
	}
	if strings.Contains(fmt.Sprint(flow.Status), "sk-") {
		t.Error("the status holds the value of a Secret")
	}
}

func deploymentGeneration(w *world, flow string) int64 {
	w.t.Helper()
	deployment := new(appsv1.Deployment)
	w.mustGet(render.FlowObjectName(flow), deployment)
	return deployment.Generation
}

func TestVaultKeyAppears(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := &v1alpha1.Credential{VaultKeyRef: &v1alpha1.VaultKeyRef{Name: "chat"}}
	w.create(w.newFlow("greeting", ref))
	w.waitFor("greeting", "ResolvedRefs=False/VaultKeyNotFound")
	w.create(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: render.VaultIndexName, Namespace: w.namespace(), Labels: map[string]string{v1alpha1.WorkspaceLabel: w.name},
		},
		Data: map[string]string{"chat": "1"},
	})
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")

	// The key is deleted: what runs goes on, and the status tells.
	change(w, render.VaultIndexName, new(corev1.ConfigMap), func(c *corev1.ConfigMap) { c.Data = nil })
	flow := w.waitFor("greeting", "Ready=False/VaultKeyNotFound")
	if err := hasCondition(flow, "Available=True/Serving"); err != nil {
		t.Error(err)
	}
	w.settle("greeting")
}

func TestNewRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.readyFlow("greeting").Status.Revision.Serving
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
		f.Spec.Components[1].Params = params(`{"text":"Good morning"}`)
	})
	flow := w.waitFor("greeting", "Reconciling=True/Progressing")
	second := flow.Status.Revision.Desired
	if second == first || flow.Status.Revision.Serving != first || flow.Status.ObservedGeneration != 1 {
		t.Errorf("revision %+v of generation %d, before it was %s", flow.Status.Revision, flow.Status.ObservedGeneration, first)
	}
	if err := hasCondition(flow, "Available=True/ServingPreviousRevision"); err != nil {
		t.Error(err)
	}
	w.rollOut("greeting")
	flow = w.waitFor("greeting", "Ready=True/Ready")
	if flow.Status.Revision.Serving != second {
		t.Errorf("serving %s, want %s", flow.Status.Revision.Serving, second)
	}
	for _, revision := range []string{first, second} {
		stored := new(corev1.ConfigMap)
		w.mustGet(render.RevisionName("greeting", revision), stored)
		if !ptr.Deref(stored.Immutable, false) {
			t.Errorf("revision %s can be changed", revision)
		}
	}
	w.settle("greeting")
}

func TestOldRevisionsArePruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.readyFlow("greeting")
	for i := range 4 {
		change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
			f.Spec.RevisionHistoryLimit = ptr.To[int32](1)
			f.Spec.Components[1].Params = params(fmt.Sprintf(`{"text":"Hello %d"}`, i))
		})
		eventually(t, "new revision", func() error {
			deployment := new(appsv1.Deployment)
			w.mustGet("flow-greeting", deployment)
			if deployment.Spec.Template.Labels[render.RevisionLabel] != w.flow("greeting").Status.Revision.Desired ||
				w.flow("greeting").Status.Revision.Serving == w.flow("greeting").Status.Revision.Desired {
				return errStillThere
			}
			return nil
		})
		w.rollOut("greeting")
		w.waitFor("greeting", "Ready=True/Ready")
	}
	w.settle("greeting")
	revisions := new(corev1.ConfigMapList)
	err := w.admin.List(context.Background(), revisions, client.InNamespace(w.namespace()), client.HasLabels{render.RevisionLabel})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(revisions.Items); n != 2 {
		t.Errorf("%d revisions are stored, want the serving one and one earlier one", n)
	}
	w.mustGet(render.RevisionName("greeting", w.flow("greeting").Status.Revision.Serving), new(corev1.ConfigMap))
}

// TestDriftIsRepaired: whatever somebody does to a child is undone, and a child
// that is deleted comes back.
func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.readyFlow("greeting")
	ctx := context.Background()
	deployment, service, policy := new(appsv1.Deployment), new(corev1.Service), new(networkingv1.NetworkPolicy)

	change(w, "flow-greeting", deployment, func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Image = "evil"
		d.Spec.Template.Spec.AutomountServiceAccountToken = new(true)
	})
	change(w, "flow-greeting", service, func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} })
	change(w, "flow-greeting", policy, func(p *networkingv1.NetworkPolicy) {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{})
	})
	eventually(t, "drift repaired", func() error {
		w.mustGet("flow-greeting", deployment)
		w.mustGet("flow-greeting", service)
		w.mustGet("flow-greeting", policy)
		pod := deployment.Spec.Template.Spec
		if pod.Containers[0].Image == "evil" || ptr.Deref(pod.AutomountServiceAccountToken, true) {
			return fmt.Errorf("Deployment: %s", pod.Containers[0].Image)
		}
		if service.Spec.Selector["app"] != "" {
			return fmt.Errorf("Service: %v", service.Spec.Selector)
		}
		if n := len(policy.Spec.Egress); n != 3 {
			return fmt.Errorf("NetworkPolicy: %d rules", n)
		}
		return nil
	})
	for _, child := range []client.Object{service, policy, &corev1.ServiceAccount{ObjectMeta: service.ObjectMeta}} {
		uid := child.GetUID()
		if err := w.admin.Delete(ctx, child); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("%T back", child), func() error {
			err := w.get("flow-greeting", child)
			if err == nil && child.GetUID() == uid {
				return errStillThere
			}
			return err
		})
	}
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
	w.settle("greeting")
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serving := w.readyFlow("greeting").Status.Revision.Serving
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StatePaused })
	eventually(t, "no replicas", func() error { return w.wantReplicas("greeting", 0) })
	w.rollOut("greeting")
	flow := w.waitFor("greeting", "Available=False/Paused")
	if err := hasCondition(flow, "Ready=False/Paused"); err != nil {
		t.Error(err)
	}
	if flow.Status.Revision.Serving != serving || flow.Status.URL == "" {
		t.Errorf("revision %+v at %q", flow.Status.Revision, flow.Status.URL)
	}
	w.settle("greeting")
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StateRunning })
	eventually(t, "one replica", func() error { return w.wantReplicas("greeting", 1) })
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
}

// TestScale goes through the scale subresource, as "kubectl scale" and an
// autoscaler of somebody's own do.
func TestScale(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.readyFlow("greeting")
	scale := new(autoscalingv1.Scale)
	ctx := context.Background()
	if err := w.admin.SubResource("scale").Get(ctx, flow, scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 1 || scale.Status.Replicas != 1 || scale.Status.Selector != flow.Status.Selector {
		t.Errorf("scale %+v", scale)
	}
	for _, n := range []int32{3, 0, 1} {
		scale.Spec.Replicas = n
		scale.ResourceVersion = ""
		if err := w.admin.SubResource("scale").Update(ctx, flow, client.WithSubResourceBody(scale)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "replicas", func() error { return w.wantReplicas("greeting", n) })
		w.rollOut("greeting")
		if n == 0 {
			w.waitFor("greeting", "Available=False/ScaledToZero")
			continue
		}
		w.waitFor("greeting", "Ready=True/Ready")
		if got := w.flow("greeting").Status.Replicas; got != n {
			t.Errorf("%d replicas in the status, want %d", got, n)
		}
	}
	w.settle("greeting")
}

// TestAutoscalerTakesOver: the number of pods does not fall back to 1 when an
// autoscaler is to decide it, and the operator does not fight what that decides.
func TestAutoscalerTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.readyFlow("greeting")
	setReplicas := func(low, high int32) {
		change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
			f.Spec.Runtime.Replicas = &v1alpha1.Replicas{Min: &low, Max: &high}
		})
	}
	setReplicas(4, 4)
	eventually(t, "four replicas", func() error { return w.wantReplicas("greeting", 4) })
	eventually(t, "budget", func() error { return w.get("flow-greeting", new(policyv1.PodDisruptionBudget)) })
	setReplicas(2, 8)
	eventually(t, "autoscaler", func() error { return w.get("flow-greeting", new(autoscalingv2.HorizontalPodAutoscaler)) })
	if err := w.wantReplicas("greeting", 4); err != nil {
		t.Errorf("after the autoscaler took over: %v", err)
	}
	w.settle("greeting")

	deployment := new(appsv1.Deployment)
	w.mustGet("flow-greeting", deployment)
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":6}}`))
	if err := w.admin.Patch(context.Background(), deployment, patch, client.FieldOwner("kube-controller-manager")); err != nil {
		t.Fatal(err)
	}
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
	w.settle("greeting")
	if err := w.wantReplicas("greeting", 6); err != nil {
		t.Errorf("the operator fights the autoscaler: %v", err)
	}

	setReplicas(1, 1)
	eventually(t, "one replica", func() error { return w.wantReplicas("greeting", 1) })
	for _, object := range []client.Object{new(autoscalingv2.HorizontalPodAutoscaler), new(policyv1.PodDisruptionBudget)} {
		eventually(t, fmt.Sprintf("no %T", object), func() error { return gone(w.get("flow-greeting", object)) })
	}
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
}

// TestNoOutput: a flow that nothing can call has no pods and no address; one
// that loses its output loses both.
func TestNoOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.readyFlow("greeting")
	change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
		f.Spec.Components = f.Spec.Components[:2]
		f.Spec.Edges = f.Spec.Edges[:1]
	})
	flow := w.waitFor("greeting", "Ready=False/NoInputOrOutput")
	if flow.Status.URL != "" {
		t.Errorf("address %q", flow.Status.URL)
	}
	for _, child := range render.FlowKinds("greeting", w.namespace()) {
		eventually(t, fmt.Sprintf("no %T", child), func() error { return gone(w.get("flow-greeting", child)) })
	}
	w.settle("greeting")
}

// TestForeignObjectIsNotTakenOver: an object that somebody else made under the
// name of a child is left alone.
func TestForeignObjectIsNotTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "flow-greeting", Namespace: w.namespace()},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}},
	})
	w.create(w.newFlow("greeting", nil))
	flow := w.waitFor("greeting", "Ready=False/ApplyFailed")
	if message := meta.FindStatusCondition(flow.Status.Conditions, "Stalled").Message; !strings.Contains(message, "Service flow-greeting") {
		t.Errorf("message %q", message)
	}
	service := new(corev1.Service)
	w.mustGet("flow-greeting", service)
	if len(service.OwnerReferences) > 0 || service.Spec.Ports[0].Port != 1 {
		t.Errorf("the Service was changed: %+v", service.Spec)
	}
}

// TestFlowOutsideOfAWorkspace: the name of a namespace proves nothing.
func TestFlowOutsideOfAWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, namespace := range []string{"plain-" + w.name, v1alpha1.WorkspaceNamespacePrefix + "fake-" + w.name} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
		flow := w.newFlow("greeting", nil)
		flow.Namespace = namespace
		w.create(flow)
		eventually(t, "WorkspaceMissing", func() error {
			if err := w.admin.Get(context.Background(), client.ObjectKeyFromObject(flow), flow); err != nil {
				return err
			}
			return hasCondition(flow, "Accepted=False/WorkspaceMissing")
		})
		err := w.admin.Get(context.Background(), key(namespace, "flow-greeting"), new(corev1.Service))
		if gone(err) != nil {
			t.Errorf("namespace %s has a Service: %v", namespace, err)
		}
	}
}
