package controllers

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
)

func TestWorkspaceBecomesReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	ws := w.workspace()
	if ws.Status.Namespace != w.namespace() {
		t.Errorf("namespace %q", ws.Status.Namespace)
	}
	namespace := new(corev1.Namespace)
	if err := w.admin.Get(ctx, client.ObjectKey{Name: w.namespace()}, namespace); err != nil {
		t.Fatal(err)
	}
	if namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" || !metav1.IsControlledBy(namespace, ws) {
		t.Errorf("namespace %+v", namespace.ObjectMeta)
	}
	children := map[string]client.Object{
		render.OperatorRole: new(rbacv1.RoleBinding),
		render.PortalRole:   new(rbacv1.RoleBinding),
		"weft-default-deny": new(networkingv1.NetworkPolicy),
		"weft-limits":       new(corev1.LimitRange),
		"weft-quota":        new(corev1.ResourceQuota),
		render.TrustName:    new(corev1.ConfigMap),
	}
	for name, child := range children {
		w.mustGet(name, child)
		if !metav1.IsControlledBy(child, ws) {
			t.Errorf("%T %s is not the workspace's", child, name)
		}
	}
	w.settleWorkspace()

	// The test runtime is switched on.
	change(w, w.name, new(v1alpha1.Workspace), func(ws *v1alpha1.Workspace) { ws.Spec.TestRuntime = nil })
	w.playTestRuntime()
	eventually(t, "Ready", func() error { return hasCondition(w.workspace(), "Available=True/Serving") })
	eventually(t, "Ready", func() error { return hasCondition(w.workspace(), "Ready=True/Ready") })
	w.settleWorkspace()

	// And off.
	change(w, w.name, new(v1alpha1.Workspace), func(ws *v1alpha1.Workspace) {
		ws.Spec.TestRuntime = &v1alpha1.TestRuntime{Disabled: true}
	})
	for _, child := range render.TestRuntimeKinds(w.workspace()) {
		eventually(t, fmt.Sprintf("no %T", child), func() error { return gone(w.get(render.TestRuntimeName, child)) })
	}
}

func (w *world) playTestRuntime() {
	w.t.Helper()
	deployment := new(appsv1.Deployment)
	eventually(w.t, "test runtime", func() error { return w.get(render.TestRuntimeName, deployment) })
	pods := w.replacePods(deployment, 1, kubelet{ready: 1})
	w.replaceEndpoints(deployment, pods)
	deployment.Status = appsv1.DeploymentStatus{
		ObservedGeneration: deployment.Generation, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1,
	}
	if err := w.admin.Status().Update(context.Background(), deployment); err != nil {
		w.t.Fatal(err)
	}
}

// settleWorkspace is settle for the Workspace itself.
func (w *world) settleWorkspace() {
	w.t.Helper()
	request := ctrl.Request{NamespacedName: key("", w.name)}
	reconcile := func() error {
		before := len(w.writes.of(w.name))
		if _, err := w.spaces.Reconcile(context.Background(), request); err != nil {
			return fmt.Errorf("reconciling: %w", err)
		}
		if made := w.writes.of(w.name)[before:]; len(made) > 0 {
			return fmt.Errorf("%d writes: %v", len(made), made)
		}
		return nil
	}
	eventually(w.t, "workspace settled", reconcile)
	for range 10 {
		if err := reconcile(); err != nil {
			w.t.Errorf("a settled workspace: %v", err)
		}
	}
}

// TestNamespaceIsNotTakenOver: a namespace that the operator did not make stays
// as it is.
// TestWorkspaceWaitsUntilItIsCounted: a Ready workspace takes flows, and the
// API server refuses them until it knows how many there are.
func TestWorkspaceWaitsUntilItIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	quota := new(corev1.ResourceQuota)
	w.mustGet(render.QuotaName, quota)
	quota.Status = corev1.ResourceQuotaStatus{}
	if err := w.admin.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not Ready", func() error { return hasCondition(w.workspace(), "Ready=False/Progressing") })
	w.playQuota()
	eventually(t, "Ready", func() error { return hasCondition(w.workspace(), "Ready=True/Ready") })
}

func TestNamespaceIsNotTakenOver(t *testing.T) {
	t.Parallel()
	s := cluster(t)
	ctx := context.Background()
	ws := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: worldName()}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: ws.Namespace(),
		// The label alone makes it nobody's.
		Labels: map[string]string{v1alpha1.WorkspaceLabel: ws.Name},
	}}
	for _, object := range []client.Object{namespace, ws} {
		if err := s.admin.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "NamespaceConflict", func() error {
		if err := s.admin.Get(ctx, client.ObjectKeyFromObject(ws), ws); err != nil {
			return err
		}
		return hasCondition(ws, "Stalled=True/NamespaceConflict")
	})
	if ws.Status.Namespace != "" {
		t.Errorf("the status names namespace %q", ws.Status.Namespace)
	}
	if err := s.admin.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
		t.Fatal(err)
	}
	if len(namespace.OwnerReferences) > 0 || namespace.Labels["pod-security.kubernetes.io/enforce"] != "" {
		t.Errorf("the namespace was changed: %+v", namespace.ObjectMeta)
	}
	bindings := new(rbacv1.RoleBindingList)
	if err := s.admin.List(ctx, bindings, client.InNamespace(namespace.Name)); err != nil || len(bindings.Items) > 0 {
		t.Errorf("rights were given: %v %v", bindings.Items, err)
	}
}

// TestDeletedWorkspaceIsHastened: the namespace is marked when its last pod is
// gone, not before.
func TestDeletedWorkspaceIsHastened(t *testing.T) {
	t.Parallel()
	s := cluster(t)
	w := &world{suite: s, t: t, name: worldName()}
	w.create(&v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: w.name}})
	w.playTestRuntime()
	ctx := context.Background()
	ws := w.workspace()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace()}}
	// What the garbage collector would do.
	for _, object := range []client.Object{ws, namespace} {
		if err := w.admin.Delete(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	request := ctrl.Request{NamespacedName: key("", w.name)}
	eventually(t, "the pod is waited for", func() error {
		result, err := w.spaces.Reconcile(ctx, request)
		if err == nil && result.RequeueAfter == 0 {
			err = errStillThere
		}
		return err
	})
	w.mustGet(w.namespace(), namespace)
	if at := namespace.Annotations[emptiedAnnotation]; at != "" {
		t.Errorf("with a pod in it, it was marked as empty at %s", at)
	}
	err := w.admin.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(w.namespace()), client.GracePeriodSeconds(0))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "marked as empty", func() error {
		w.mustGet(w.namespace(), namespace)
		if namespace.Annotations[emptiedAnnotation] == "" {
			return errStillThere
		}
		return nil
	})
	w.settleWorkspace()
}

// TestWorkspaceDriftIsRepaired: nobody weakens a workspace for long.
func TestWorkspaceDriftIsRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	change(w, render.TrustName, new(corev1.ConfigMap), func(c *corev1.ConfigMap) { c.Data[render.TrustKey] = "forged" })
	change(w, render.OperatorRole, new(rbacv1.RoleBinding), func(b *rbacv1.RoleBinding) {
		b.Subjects = append(b.Subjects, rbacv1.Subject{Kind: "User", Name: "intruder", APIGroup: rbacv1.GroupName})
	})
	change(w, w.namespace(), new(corev1.Namespace), func(n *corev1.Namespace) {
		n.Labels["pod-security.kubernetes.io/enforce"] = "privileged"
	})
	eventually(t, "drift repaired", func() error {
		trust, binding, namespace := new(corev1.ConfigMap), new(rbacv1.RoleBinding), new(corev1.Namespace)
		w.mustGet(render.TrustName, trust)
		w.mustGet(render.OperatorRole, binding)
		if err := w.admin.Get(context.Background(), client.ObjectKey{Name: w.namespace()}, namespace); err != nil {
			return err
		}
		if trust.Data[render.TrustKey] == "forged" || len(binding.Subjects) != 1 ||
			namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			return fmt.Errorf("%v %v %v", trust.Data, binding.Subjects, namespace.Labels)
		}
		return nil
	})
	w.settleWorkspace()
}
