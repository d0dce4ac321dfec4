package controllers

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/runtime/catalog"
)

// Settings are what the reconcilers need beyond a manager.
type Settings struct {
	// Options of the installation.
	Options render.Options
	// Catalog of component types.
	Catalog *catalog.Catalog
	// Concurrency is how many objects of a kind are reconciled at once.
	Concurrency int
}

// Scheme returns the kinds that the operator reads and writes.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering kinds: %w", err)
		}
	}
	return scheme, nil
}

// Setup registers both reconcilers with a manager.
func Setup(mgr ctrl.Manager, s Settings) error {
	flows := &FlowReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Options: s.Options, Now: time.Now,
		specs: newSpecs(s.Catalog), own: newOwnWrites(),
	}
	if err := flows.setup(mgr, s.controller()); err != nil {
		return fmt.Errorf("setting up the controller of flows: %w", err)
	}
	workspaces := &WorkspaceReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Options: s.Options, Now: time.Now, own: newOwnWrites(),
	}
	if err := workspaces.setup(mgr, s.controller()); err != nil {
		return fmt.Errorf("setting up the controller of workspaces: %w", err)
	}
	return nil
}

func (s Settings) controller() controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: max(1, s.Concurrency),
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
			500*time.Millisecond, time.Minute),
		ReconciliationTimeout: time.Minute,
	}
}

func (r *FlowReconciler) setup(mgr ctrl.Manager, options controller.Options) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Flow{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Owns(&autoscalingv2.HorizontalPodAutoscaler{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(flowOfLabel)).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(flowOfLabel)).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.flowsOfConfigMap)).
		Watches(&v1alpha1.Workspace{}, handler.EnqueueRequestsFromMapFunc(r.flowsOfWorkspace)).
		WithOptions(options).
		Complete(r)
	if err != nil {
		return fmt.Errorf("building it: %w", err)
	}
	return nil
}

func (r *WorkspaceReconciler) setup(mgr ctrl.Manager, options controller.Options) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Workspace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.Namespace{}).
		Owns(&rbacv1.RoleBinding{}).
		Owns(&corev1.ResourceQuota{}).
		Owns(&corev1.LimitRange{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.Service{}).
		Owns(&appsv1.Deployment{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(workspaceOfTestRuntime)).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(workspaceOfTestRuntime)).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.workspacesOfTrust)).
		WithOptions(options).
		Complete(r)
	if err != nil {
		return fmt.Errorf("building it: %w", err)
	}
	return nil
}

// flowOfLabel finds the flow of a pod or of endpoints, whose owners are not the
// flow itself.
func flowOfLabel(_ context.Context, object client.Object) []reconcile.Request {
	flow := object.GetLabels()[render.FlowLabel]
	if flow == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: flow}}}
}

// flowsOfConfigMap: the list of the vault's keys and the public keys matter to
// every flow of the namespace.
func (r *FlowReconciler) flowsOfConfigMap(ctx context.Context, object client.Object) []reconcile.Request {
	if object.GetName() != render.VaultIndexName && object.GetName() != render.TrustName {
		return nil
	}
	return r.flowsIn(ctx, object.GetNamespace())
}

func (r *FlowReconciler) flowsOfWorkspace(ctx context.Context, object client.Object) []reconcile.Request {
	return r.flowsIn(ctx, v1alpha1.WorkspaceNamespacePrefix+object.GetName())
}

func (r *FlowReconciler) flowsIn(ctx context.Context, namespace string) []reconcile.Request {
	flows := new(v1alpha1.FlowList)
	if err := r.Client.List(ctx, flows, client.InNamespace(namespace)); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the flows of a namespace", "namespace", namespace)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(flows.Items))
	for i := range flows.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&flows.Items[i])})
	}
	return requests
}

func workspaceOfTestRuntime(_ context.Context, object client.Object) []reconcile.Request {
	labels := object.GetLabels()
	name := labels[v1alpha1.WorkspaceLabel]
	if name == "" || labels[render.FlowLabel] != "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// workspacesOfTrust: every workspace holds a copy of the public keys.
func (r *WorkspaceReconciler) workspacesOfTrust(ctx context.Context, object client.Object) []reconcile.Request {
	if object.GetName() != render.TrustName || object.GetNamespace() != r.Options.SystemNamespace {
		return nil
	}
	workspaces := new(v1alpha1.WorkspaceList)
	if err := r.Client.List(ctx, workspaces); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing workspaces")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(workspaces.Items))
	for i := range workspaces.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&workspaces.Items[i])})
	}
	return requests
}
