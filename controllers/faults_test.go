package controllers

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/apply"
	"github.com/weft-run/weft/controllers/render"
)

// scenario is a life of a flow: made, changed, scaled, paused, resumed.
func (w *world) scenario() map[string]string {
	w.t.Helper()
	w.create(w.newFlow("greeting", nil))
	w.rollOut("greeting")
	w.waitFor("greeting", "Ready=True/Ready")
	edits := []func(*v1alpha1.Flow){
		func(f *v1alpha1.Flow) { f.Spec.Components[1].Params = params(`{"text":"Good morning"}`) },
		func(f *v1alpha1.Flow) { f.Spec.Runtime.Replicas = &v1alpha1.Replicas{Min: ptr.To[int32](2)} },
		func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StatePaused },
		func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StateRunning },
	}
	for _, edit := range edits {
		change(w, "greeting", new(v1alpha1.Flow), edit)
		flow := w.flow("greeting")
		if flow.Spec.State == v1alpha1.StatePaused {
			w.waitFor("greeting", "Ready=False/Paused")
			eventually(w.t, "no replicas", func() error { return w.wantReplicas("greeting", 0) })
			w.rollOut("greeting")
			continue
		}
		w.playUntilReady("greeting")
	}
	return w.endState("greeting")
}

// playUntilReady plays the kubelet for each template that comes by, because
// with a disturbed operator the newest may come late.
func (w *world) playUntilReady(flow string) {
	w.t.Helper()
	played := int64(-1)
	eventually(w.t, flow+" Ready", func() error {
		deployment := new(appsv1.Deployment)
		if err := w.get(render.FlowObjectName(flow), deployment); err != nil {
			return err
		}
		if deployment.Generation != played {
			played = deployment.Generation
			w.play(flow, kubelet{ready: ptr.Deref(deployment.Spec.Replicas, 1)})
		}
		return hasCondition(w.flow(flow), "Ready=True/Ready")
	})
}

// endState is what must be the same in the end, whatever happened on the way:
// the configuration of every child, and the revisions.
func (w *world) endState(flow string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, kind := range render.FlowKinds(flow, w.namespace()) {
		err := w.get(kind.GetName(), kind)
		if client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
		if err == nil {
			out[fmt.Sprintf("%T", kind)] = w.shape(kind)
		}
	}
	revisions := new(corev1.ConfigMapList)
	if err := w.admin.List(w.t.Context(), revisions, client.InNamespace(w.namespace()), client.HasLabels{render.RevisionLabel}); err != nil {
		w.t.Fatal(err)
	}
	for _, revision := range revisions.Items {
		out["revision "+revision.Labels[render.RevisionLabel]] = ""
	}
	return out
}

// shape is the part of a child that does not depend on the names and UIDs of
// the test.
func (w *world) shape(object client.Object) string {
	if object.GetAnnotations()[apply.HashAnnotation] == "" {
		w.t.Errorf("%T %s was not applied", object, object.GetName())
	}
	switch o := object.(type) {
	case *appsv1.Deployment:
		return fmt.Sprint(ptr.Deref(o.Spec.Replicas, 1), o.Spec.Template.Labels[render.RevisionLabel])
	case *networkingv1.NetworkPolicy:
		return fmt.Sprint(len(o.Spec.Ingress), len(o.Spec.Egress))
	default:
		return "there"
	}
}

// TestFaultAtEveryWrite keeps promise R1: each write of a flow's life fails
// once, before it is made or after. With WEFT_TEST_FULL=1 it is both.
func TestFaultAtEveryWrite(t *testing.T) {
	t.Parallel()
	cluster(t)
	reference := map[string]string{}
	n := 0
	t.Run("reference", func(t *testing.T) {
		w := newWorld(t)
		before := len(w.writes.of(w.name))
		maps.Copy(reference, w.scenario())
		n = len(w.writes.of(w.name)) - before
	})
	if n < 15 {
		t.Fatalf("the scenario made %d writes only", n)
	}
	broken := errors.New("the connection broke")
	for i := 1; i <= n; i++ {
		for k, lost := range []string{"call", "reply"} {
			if os.Getenv("WEFT_TEST_FULL") == "" && i%2 != k {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", lost, i), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.writes.disturb(w.name, func(k int) (error, error) {
					switch {
					case k == i && lost == "call":
						return broken, nil
					case k == i:
						return nil, broken
					default:
						return nil, nil //nolint:nilnil // no fault
					}
				})
				if diff := cmp.Diff(reference, w.scenario()); diff != "" {
					t.Errorf("end state (-undisturbed +disturbed):\n%s", diff)
				}
				w.settle("greeting")
			})
		}
	}
}

// TestTrouble keeps promise R4 at the size of a normal test run: a tenth and
// half of the writes fail in many ways, and the flow arrives all the same.
func TestTrouble(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.1, 0.5} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%.0f%% seed %d", share*100, seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				random := rand.New(rand.NewPCG(seed, 1))
				w.writes.disturb(w.name, func(int) (error, error) {
					if random.Float64() >= share {
						return nil, nil //nolint:nilnil // no fault
					}
					err := trouble()[random.IntN(len(trouble()))]
					if random.IntN(2) == 0 {
						return err, nil
					}
					return nil, err
				})
				w.create(w.newFlow("greeting", nil))
				change(w, "greeting", new(v1alpha1.Flow), func(f *v1alpha1.Flow) {
					f.Spec.Components[1].Params = params(`{"text":"Good morning"}`)
				})
				eventually(t, "Deployment", func() error { return w.get("flow-greeting", new(appsv1.Deployment)) })
				w.writes.disturb(w.name, nil)
				w.playUntilReady("greeting")
				w.settle("greeting")
			})
		}
	}
}

func trouble() []error {
	flows := schema.GroupResource{Group: v1alpha1.Group, Resource: "flows"}
	return []error{
		apierrors.NewConflict(flows, "greeting", errors.New("changed meanwhile")),
		apierrors.NewTooManyRequests("slow down", 1),
		apierrors.NewInternalError(errors.New("etcd is away")),
		apierrors.NewServerTimeout(flows, "patch", 1),
		errors.New("connection reset by peer"),
	}
}

// TestOutcomes says what each kind of error means.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	flows := schema.GroupResource{Group: v1alpha1.Group, Resource: "flows"}
	named := func(err error) error {
		return fmt.Errorf("applying: %w", &apply.ObjectError{Kind: "Service", Name: "x", Err: err})
	}
	cases := map[string]struct {
		reason                string
		err                   error
		told, permanent, err2 bool
	}{
		"Nothing":   {reason: "no error is no failure"},
		"Conflict":  {reason: "a newer version is on its way", err: named(apierrors.NewConflict(flows, "x", nil))},
		"Going":     {reason: "what is being deleted will be gone", err: named(apply.ErrGoing), told: true},
		"Foreign":   {reason: "what belongs to others stays theirs", err: named(apply.ErrForeign), told: true, permanent: true},
		"Invalid":   {reason: "what is refused is refused again", err: named(apierrors.NewBadRequest("no")), told: true, permanent: true},
		"Forbidden": {reason: "rights may be on their way", err: named(apierrors.NewForbidden(flows, "x", nil)), told: true, err2: true},
		"Network":   {reason: "trouble passes", err: named(errors.New("reset")), told: true, err2: true},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		tc := cases[name]
		got := judge(tc.err)
		permanent := got.failure != nil && got.failure.Permanent
		if (got.failure != nil) != tc.told || permanent != tc.permanent || (got.err != nil) != tc.err2 {
			t.Errorf("%s: %s: %+v", name, tc.reason, got)
		}
		if tc.err != nil && got.again == 0 && got.err == nil {
			t.Errorf("%s: it is never tried again", name)
		}
		if got.failure != nil && got.failure.Message[:9] != "Service x" {
			t.Errorf("%s: message %q does not begin with the object", name, got.failure.Message)
		}
	}
}
