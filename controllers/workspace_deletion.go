package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/apply"
)

// emptiedAnnotation of a namespace that is being deleted says when its last pod
// was gone.
const emptiedAnnotation = "weft.run/emptied"

// hasten wakes the controller that deletes namespaces as soon as the last pod
// of a deleted workspace is gone. It looks again by itself only after half of
// the longest grace period of a pod, and a flow whose runs may take an hour
// has one of an hour. The result says when to come back.
func (r *WorkspaceReconciler) hasten(ctx context.Context, workspace string) (time.Duration, error) {
	name := v1alpha1.WorkspaceNamespacePrefix + workspace
	namespace := new(corev1.Namespace)
	err := r.Client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading Namespace %s: %w", name, err)
	}
	owner := metav1.GetControllerOf(namespace)
	if owner == nil || owner.Kind != "Workspace" || namespace.DeletionTimestamp == nil ||
		namespace.Annotations[emptiedAnnotation] != "" {
		return 0, nil
	}
	pods := new(corev1.PodList)
	if err := r.Client.List(ctx, pods, client.InNamespace(name)); err != nil {
		return 0, fmt.Errorf("listing pods: %w", err)
	}
	if len(pods.Items) > 0 {
		return whileGoing, nil
	}
	before := namespace.DeepCopy()
	metav1.SetMetaDataAnnotation(&namespace.ObjectMeta, emptiedAnnotation, r.Now().UTC().Format(time.RFC3339))
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, namespace, patch, client.FieldOwner(apply.Manager)); client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("marking Namespace %s as empty: %w", name, err)
	}
	return 0, nil
}
