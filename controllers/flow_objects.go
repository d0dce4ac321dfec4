package controllers

import (
	"context"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/controllers/render"
)

// replicasManager holds the field spec.replicas between the operator, which
// stops applying it, and the autoscaler, which has not set it yet. Without a
// holder the API server would put it back to 1.
const replicasManager = "weft-operator-replicas"

// applyObjects makes the objects of what runs, and deletes those that it does
// not need. An error of that does not end the reconciliation: the status tells
// about it.
func (s *flowScope) applyObjects(ctx context.Context) error {
	if s.run == nil {
		return nil
	}
	wanted, err := s.wantedObjects(ctx)
	if err == nil {
		err = s.handOver(ctx, wanted)
	}
	if err == nil {
		err = s.applier.Apply(ctx, s.flow, wanted...)
	}
	if err == nil {
		err = s.applier.Delete(ctx, s.flow, unwanted(render.FlowKinds(s.flow.Name, s.flow.Namespace), wanted)...)
	}
	judged := judge(err)
	judged.again = sooner(judged.again, s.outcome.again)
	s.outcome = judged
	s.observed.Changed = s.applier.Changed || err != nil
	return nil
}

// wantedObjects are none for a flow without a start or an output: nothing could
// ever call it.
func (s *flowScope) wantedObjects(ctx context.Context) ([]client.Object, error) {
	if !s.exposable() {
		return nil, nil
	}
	in := render.FlowInput{
		Name: s.flow.Name, Namespace: s.flow.Namespace, UID: s.flow.UID,
		Workspace: s.workspace, Spec: s.run, Revision: s.revision,
	}
	if s.run == &s.flow.Spec {
		revision, err := render.RevisionConfigMap(in)
		if err != nil {
			return nil, err
		}
		if err := s.applier.Ensure(ctx, s.flow, revision); err != nil {
			return nil, err
		}
	}
	return render.Flow(s.Options, in)
}

// unwanted returns those of the kinds of which there is no wanted object.
func unwanted(kinds, wanted []client.Object) []client.Object {
	have := map[reflect.Type]bool{}
	for _, object := range wanted {
		have[reflect.TypeOf(object)] = true
	}
	var out []client.Object
	for _, kind := range kinds {
		if !have[reflect.TypeOf(kind)] {
			out = append(out, kind)
		}
	}
	return out
}

// handOver keeps the number of pods when an autoscaler takes over from the
// operator.
func (s *flowScope) handOver(ctx context.Context, wanted []client.Object) error {
	autoscaler := find[*autoscalingv2.HorizontalPodAutoscaler](wanted)
	if autoscaler == nil {
		return nil
	}
	live, err := s.deployment(ctx)
	if err != nil || live == nil || live.Annotations[render.ReplicasAnnotation] != render.ReplicasByOperator {
		return err
	}
	replicas := max(ptr.Deref(live.Spec.Replicas, 1), ptr.Deref(autoscaler.Spec.MinReplicas, 1))
	config := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": int64(replicas)}}}
	config.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	config.SetNamespace(live.Namespace)
	config.SetName(live.Name)
	config.SetResourceVersion(live.ResourceVersion)
	err = s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(config),
		client.FieldOwner(replicasManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("handing the number of pods over to the autoscaler: %w", err)
	}
	return nil
}

func find[T client.Object](objects []client.Object) T {
	var none T
	for _, object := range objects {
		if found, ok := object.(T); ok {
			return found
		}
	}
	return none
}
