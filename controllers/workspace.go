package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/apply"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status"
)

// WorkspaceReconciler makes Workspace objects real.
type WorkspaceReconciler struct {
	// Client reads from the cache and writes to the API.
	Client client.Client
	// Live reads from the API.
	Live client.Reader
	// Options of the installation.
	Options render.Options
	// Now is the clock.
	Now func() time.Time

	own *ownWrites
}

// workspaceScope is what the phases of one reconciliation share.
type workspaceScope struct {
	*WorkspaceReconciler

	applier   *apply.Applier
	workspace *v1alpha1.Workspace
	observed  status.WorkspaceObservation
	outcome   outcome
}

// Reconcile makes one Workspace real and tells in its status what is true of
// it.
func (r *WorkspaceReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	workspace := new(v1alpha1.Workspace)
	if err := r.Client.Get(ctx, req.NamespacedName, workspace); apierrors.IsNotFound(err) {
		r.own.forget(req.NamespacedName)
		again, err := r.hasten(ctx, req.Name)
		return requeue(again), err
	} else if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the workspace: %w", err)
	}
	if workspace.DeletionTimestamp != nil {
		// The garbage collector deletes the namespace, and with it everything.
		return ctrl.Result{}, nil
	}
	if r.own.unseen(workspace) {
		return requeue(untilSeen), nil
	}
	s := &workspaceScope{
		WorkspaceReconciler: r,
		applier:             &apply.Applier{Client: r.Client, Live: r.Live},
		workspace:           workspace,
		observed:            status.WorkspaceObservation{Generation: workspace.Generation},
	}
	err := runPhases(ctx, []phase{
		{"applying the namespace", s.applyNamespace},
		{"applying rights", s.applyRights},
		{"copying the public keys", s.applyTrust},
		{"applying bounds", s.applyBounds},
		{"applying the test runtime", s.applyTestRuntime},
		{"observing the test runtime", s.observe},
		{"writing the status", s.writeStatus},
	})
	if s.outcome = s.outcome.and(err); s.outcome.err != nil {
		return ctrl.Result{}, s.outcome.err
	}
	return requeue(s.outcome.again), nil
}

// applyNamespace makes the namespace. One that exists and belongs to something
// else is left alone.
func (s *workspaceScope) applyNamespace(ctx context.Context) error {
	err := s.applier.Apply(ctx, s.workspace, render.Namespace(s.workspace))
	switch {
	case err == nil:
		s.observed.Namespace = s.workspace.Namespace()
	case errors.Is(err, apply.ErrForeign):
		s.observed.Conflict = true
		s.outcome.again = whileRefused
	case errors.Is(err, apply.ErrGoing):
		s.observed.Going = true
		s.outcome.again = whileGoing
		if _, err := s.hasten(ctx, s.workspace.Name); err != nil {
			return err
		}
	default:
		s.note(err)
	}
	return nil
}

func (s *workspaceScope) applyRights(ctx context.Context) error {
	return s.apply(ctx, render.Rights(s.Options, s.workspace)...)
}

// applyTrust keeps a copy of the public keys in the namespace, because a pod
// can mount ConfigMaps of its own namespace only.
func (s *workspaceScope) applyTrust(ctx context.Context) error {
	source := new(corev1.ConfigMap)
	key := types.NamespacedName{Namespace: s.Options.SystemNamespace, Name: render.TrustName}
	if err := s.Client.Get(ctx, key, source); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}
	keys, ok := source.Data[render.TrustKey]
	if s.observed.TrustFound = ok; !ok {
		return nil
	}
	return s.apply(ctx, render.Trust(s.workspace, keys))
}

func (s *workspaceScope) applyBounds(ctx context.Context) error {
	return s.apply(ctx, render.Workspace(s.workspace)...)
}

func (s *workspaceScope) applyTestRuntime(ctx context.Context) error {
	s.observed.TestRuntimeDisabled = s.workspace.Spec.TestRuntime != nil && s.workspace.Spec.TestRuntime.Disabled
	if s.observed.TestRuntimeDisabled {
		if s.observed.Namespace != "" {
			s.note(s.applier.Delete(ctx, s.workspace, render.TestRuntimeKinds(s.workspace)...))
		}
		return nil
	}
	if !s.observed.TrustFound {
		return nil
	}
	return s.apply(ctx, render.TestRuntime(s.Options, s.workspace)...)
}

// apply applies objects inside of the namespace, if it is the workspace's and
// nothing has failed before. An error does not end the reconciliation: the
// status tells about it.
func (s *workspaceScope) apply(ctx context.Context, objects ...client.Object) error {
	if s.observed.Namespace != "" && s.outcome.failure == nil {
		s.note(s.applier.Apply(ctx, s.workspace, objects...))
	}
	return nil
}

func (s *workspaceScope) note(err error) {
	if err == nil {
		return
	}
	judged := judge(err)
	judged.again = sooner(judged.again, s.outcome.again)
	s.outcome = judged
	s.observed.Changed = true
}

func (s *workspaceScope) observe(ctx context.Context) error {
	name := types.NamespacedName{Namespace: s.workspace.Namespace(), Name: render.TestRuntimeName}
	var err error
	if s.observed.Deployment, err = ownedDeployment(ctx, s.Client, s.workspace, name); err != nil {
		return err
	}
	if s.observed.Pods, err = podsOf(ctx, s.Client, s.workspace); err != nil {
		return err
	}
	if s.observed.Endpoints, err = readyEndpoints(ctx, s.Client, name); err != nil {
		return err
	}
	counted, err := s.counted(ctx)
	s.observed.Uncounted = !counted
	return err
}

// counted says whether the cluster knows how much of each bound is used. Until
// then it refuses whatever would count.
func (s *workspaceScope) counted(ctx context.Context) (bool, error) {
	quota := new(corev1.ResourceQuota)
	key := types.NamespacedName{Namespace: s.workspace.Namespace(), Name: render.QuotaName}
	if err := s.Client.Get(ctx, key, quota); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading ResourceQuota %s: %w", key, err)
	}
	for bound := range quota.Spec.Hard {
		if _, ok := quota.Status.Used[bound]; !ok {
			return false, nil
		}
	}
	return true, nil
}

// writeStatus patches the status once, and only where it changed.
func (s *workspaceScope) writeStatus(ctx context.Context) error {
	s.observed.Changed = s.observed.Changed || s.applier.Changed
	s.observed.Failure = s.outcome.failure
	before := s.workspace.DeepCopy()
	s.workspace.Status = status.Workspace(before.Status, s.observed, s.Now())
	if equality.Semantic.DeepEqual(before.Status, s.workspace.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := s.Client.Status().Patch(ctx, s.workspace, patch, client.FieldOwner(apply.Manager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patching the status: %w", err)
	}
	if err == nil {
		s.own.wrote(s.workspace)
	}
	return nil
}
