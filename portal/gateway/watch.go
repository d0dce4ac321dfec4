package gateway

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

// NewCache returns a cache of what the gateway watches and nothing else: Flows
// without their graphs, and the EndpointSlices of flows without their details.
func NewCache(config *rest.Config) (cache.Cache, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the kinds: %w", err)
	}
	if err := discoveryv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering EndpointSlice: %w", err)
	}
	ofFlows, err := labels.NewRequirement(flowLabel, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("selecting EndpointSlices of flows: %w", err)
	}
	watched, err := cache.New(config, cache.Options{
		Scheme: scheme,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.Flow{}:             {Transform: trimFlow},
			&discoveryv1.EndpointSlice{}: {Transform: trimSlice, Label: labels.NewSelector().Add(*ofFlows)},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the cache of flows: %w", err)
	}
	return watched, nil
}

// Watch feeds the Directory from the cache and returns when it has heard of
// everything there is. It goes on to do so until the cache ends.
func (d *Directory) Watch(ctx context.Context, informers cache.Informers) error {
	flows, err := informers.GetInformer(ctx, &v1alpha1.Flow{})
	if err != nil {
		return fmt.Errorf("watching Flows: %w", err)
	}
	endpoints, err := informers.GetInformer(ctx, &discoveryv1.EndpointSlice{})
	if err != nil {
		return fmt.Errorf("watching EndpointSlices: %w", err)
	}
	hasFlows, err := flows.AddEventHandler(handler(d.SetFlow, func(f *v1alpha1.Flow) { d.DeleteFlow(f.Namespace, f.Name) }))
	if err != nil {
		return fmt.Errorf("watching Flows: %w", err)
	}
	hasSlices, err := endpoints.AddEventHandler(handler(d.SetSlice, d.DeleteSlice))
	if err != nil {
		return fmt.Errorf("watching EndpointSlices: %w", err)
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), hasFlows.HasSynced, hasSlices.HasSynced) {
		return fmt.Errorf("hearing of all Flows and EndpointSlices: %w", context.Cause(ctx))
	}
	d.MarkSynced()
	return nil
}

// handler calls set and remove with objects of one type.
func handler[T client.Object](set, remove func(T)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { call(set, o) },
		UpdateFunc: func(_, o any) { call(set, o) },
		DeleteFunc: func(o any) {
			// The last state of an object whose end was not seen.
			if unknown, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			call(remove, o)
		},
	}
}

func call[T client.Object](f func(T), o any) {
	if object, ok := o.(T); ok {
		f(object)
	}
}

// trimFlow drops what the gateway does not need before it is stored: most of
// all the graph, which may be a megabyte.
func trimFlow(o any) (any, error) {
	f, ok := o.(*v1alpha1.Flow)
	if !ok {
		return o, nil
	}
	trimmed := &v1alpha1.Flow{
		TypeMeta:   f.TypeMeta,
		ObjectMeta: trimMeta(f.ObjectMeta),
		Spec: v1alpha1.FlowSpec{
			Exposure: f.Spec.Exposure, State: f.Spec.State,
			Runtime: v1alpha1.Runtime{RunTimeout: f.Spec.Runtime.RunTimeout, MaxConcurrentRuns: f.Spec.Runtime.MaxConcurrentRuns},
		},
	}
	for _, c := range f.Status.Conditions {
		if c.Type == v1alpha1.ConditionExposed {
			trimmed.Status.Conditions = []metav1.Condition{{Type: c.Type, Status: c.Status}}
		}
	}
	return trimmed, nil
}

func trimSlice(o any) (any, error) {
	s, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return o, nil
	}
	trimmed := &discoveryv1.EndpointSlice{
		TypeMeta: s.TypeMeta, ObjectMeta: trimMeta(s.ObjectMeta), AddressType: s.AddressType, Ports: s.Ports,
		Endpoints: make([]discoveryv1.Endpoint, 0, len(s.Endpoints)),
	}
	for _, e := range s.Endpoints {
		trimmed.Endpoints = append(trimmed.Endpoints, discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: e.Conditions})
	}
	return trimmed, nil
}

func trimMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	trimmed := metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion,
		Generation: m.Generation, DeletionTimestamp: m.DeletionTimestamp,
	}
	if flow, ok := m.Labels[flowLabel]; ok {
		trimmed.Labels = map[string]string{flowLabel: flow}
	}
	return trimmed
}
