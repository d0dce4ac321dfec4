package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
)

// observe reads what became of the objects.
func (s *flowScope) observe(ctx context.Context) error {
	deployment, err := s.deployment(ctx)
	if err != nil {
		return err
	}
	s.observed.Deployment = deployment
	if s.observed.Pods, err = podsOf(ctx, s.Client, s.flow); err != nil {
		return err
	}
	name := types.NamespacedName{Namespace: s.flow.Namespace, Name: render.FlowObjectName(s.flow.Name)}
	if s.observed.Endpoints, err = readyEndpoints(ctx, s.Client, name); err != nil {
		return err
	}
	return s.observeAddress(ctx, name)
}

// observeAddress: a flow has an address while its Service exists.
func (s *flowScope) observeAddress(ctx context.Context, name types.NamespacedName) error {
	if s.workspace == nil || !s.exposable() {
		return nil
	}
	err := s.Client.Get(ctx, name, new(corev1.Service))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Service %s: %w", name, err)
	}
	if err == nil || s.outcome.failure == nil {
		s.observed.Addresses = render.FlowAddresses(s.Options, s.workspace.Name, s.flow.Name)
		s.observed.Selector = render.FlowSelector(s.workspace.Name, s.flow.Name, s.flow.UID)
	}
	return nil
}

// ownedDeployment returns a Deployment from the cache, nil where there is none
// or it is not the owner's.
func ownedDeployment(ctx context.Context, cache client.Reader, owner client.Object, key types.NamespacedName) (*appsv1.Deployment, error) {
	deployment := new(appsv1.Deployment)
	err := cache.Get(ctx, key, deployment)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(deployment, owner)) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading Deployment %s: %w", key, err)
	}
	return deployment, nil
}

// podsOf returns the pods of a Flow or of a Workspace's test runtime.
func podsOf(ctx context.Context, cache client.Reader, owner client.Object) ([]corev1.Pod, error) {
	namespace := owner.GetNamespace()
	if workspace, ok := owner.(*v1alpha1.Workspace); ok {
		namespace = workspace.Namespace()
	}
	pods := new(corev1.PodList)
	err := cache.List(ctx, pods, client.InNamespace(namespace),
		client.MatchingLabels{render.UIDLabel: string(owner.GetUID())})
	if err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	return pods.Items, nil
}

// readyEndpoints counts the endpoints of a Service that requests are sent to.
func readyEndpoints(ctx context.Context, cache client.Reader, service types.NamespacedName) (int, error) {
	slices := new(discoveryv1.EndpointSliceList)
	err := cache.List(ctx, slices, client.InNamespace(service.Namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: service.Name})
	if err != nil {
		return 0, fmt.Errorf("listing endpoints: %w", err)
	}
	n := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if ptr.Deref(endpoint.Conditions.Ready, true) {
				n += len(endpoint.Addresses)
			}
		}
	}
	return n, nil
}
