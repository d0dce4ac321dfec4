package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/apply"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status"
	"github.com/weft-run/weft/runtime/graph"
)

// FlowReconciler makes Flow objects real.
type FlowReconciler struct {
	// Client reads from the cache and writes to the API.
	Client client.Client
	// Live reads from the API: Secrets, and what the cache leaves out.
	Live client.Reader
	// Options of the installation.
	Options render.Options
	// Now is the clock.
	Now func() time.Time

	specs *specs
	own   *ownWrites
}

// flowScope is what the phases of one reconciliation share.
type flowScope struct {
	*FlowReconciler

	applier *apply.Applier
	flow    *v1alpha1.Flow
	// workspace that the flow lives in, nil where there is none.
	workspace *v1alpha1.Workspace
	// spec is what validation found out about flow.Spec.
	spec specFacts
	// run is the spec that runs, with the name of its revision: that of the
	// flow, or an earlier one while that cannot run; nil where none can.
	run      *v1alpha1.FlowSpec
	revision string

	observed status.FlowObservation
	outcome  outcome
}

// Reconcile makes one Flow real and tells in its status what is true of it.
func (r *FlowReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	flow := new(v1alpha1.Flow)
	if err := r.Client.Get(ctx, req.NamespacedName, flow); err != nil {
		r.specs.forget(req.NamespacedName)
		r.own.forget(req.NamespacedName)
		return ctrl.Result{}, notFoundIsFine(err)
	}
	if flow.DeletionTimestamp != nil {
		// The garbage collector deletes what it owns; there is nothing else.
		return ctrl.Result{}, nil
	}
	if r.own.unseen(flow) {
		return requeue(untilSeen), nil
	}
	s := &flowScope{
		FlowReconciler: r,
		applier:        &apply.Applier{Client: r.Client, Live: r.Live},
		flow:           flow,
		observed:       status.FlowObservation{Generation: flow.Generation},
	}
	err := runPhases(ctx, []phase{
		{"finding the workspace", s.findWorkspace},
		{"validating the spec", s.validate},
		{"looking up references", s.lookUpReferences},
		{"choosing the revision", s.chooseRevision},
		{"applying objects", s.applyObjects},
		{"removing old revisions", s.pruneRevisions},
		{"observing pods", s.observe},
		{"writing the status", s.writeStatus},
	})
	if s.outcome = s.outcome.and(err); s.outcome.err != nil {
		return ctrl.Result{}, s.outcome.err
	}
	return requeue(s.outcome.again), nil
}

// and adds the error that ended the phases.
func (o outcome) and(err error) outcome {
	if err == nil {
		return o
	}
	judged := judge(err)
	return outcome{again: sooner(o.again, judged.again), err: judged.err}
}

// validate asks the validator that the editor, the portal and the runtime use
// too.
func (s *flowScope) validate(context.Context) error {
	s.spec = s.specs.facts(s.flow)
	s.observed.Problems = s.spec.problems
	s.observed.Desired = s.flow.Status.Revision.Desired
	if len(s.spec.problems) == 0 {
		s.observed.Desired = s.spec.hash
	}
	s.observed.Paused = s.flow.Spec.State == v1alpha1.StatePaused
	s.observed.ScaledToZero = render.ScaledToZero(&s.flow.Spec)
	return nil
}

// writeStatus patches the status once, and only where it changed.
func (s *flowScope) writeStatus(ctx context.Context) error {
	s.observed.Failure = s.outcome.failure
	before := s.flow.DeepCopy()
	s.flow.Status = status.Flow(before.Status, s.observed, s.Now())
	if equality.Semantic.DeepEqual(before.Status, s.flow.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	err := s.Client.Status().Patch(ctx, s.flow, patch, client.FieldOwner(apply.Manager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patching the status: %w", err)
	}
	if err == nil {
		s.own.wrote(s.flow)
	}
	return nil
}

// exposable says whether what runs can have an address.
func (s *flowScope) exposable() bool {
	return s.run != nil && graph.Exposable(s.run, s.specs.catalog)
}
