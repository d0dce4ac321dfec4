package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/runtime/graph"
)

// chooseRevision decides what runs: the flow's spec, if it is valid and
// everything that it names exists; otherwise what runs already goes on.
func (s *flowScope) chooseRevision(ctx context.Context) error {
	if s.workspace == nil {
		return nil
	}
	if len(s.spec.problems) == 0 && len(s.observed.Missing) == 0 && s.observed.Unchecked == "" {
		s.run, s.revision = &s.flow.Spec, s.spec.hash
		s.observed.Exposable = s.spec.exposable
		return nil
	}
	err := s.hold(ctx)
	s.observed.Exposable = s.exposable() || s.spec.exposable
	return err
}

// hold goes on with the revision that the Deployment has or, where somebody
// deleted that, with the one that served last.
func (s *flowScope) hold(ctx context.Context) error {
	deployment, err := s.deployment(ctx)
	if err != nil {
		return err
	}
	revision := s.flow.Status.Revision.Serving
	if deployment != nil {
		revision = deployment.Spec.Template.Labels[render.RevisionLabel]
	}
	if revision == "" {
		return nil
	}
	spec, err := s.storedSpec(ctx, revision)
	if err != nil || spec == nil {
		return err
	}
	if runtime, ok := appliedRuntime(deployment); ok {
		spec.Runtime = runtime
	}
	// To pause and to scale is possible at any time.
	spec.State = s.flow.Spec.State
	spec.Runtime.Replicas = s.flow.Spec.Runtime.Replicas
	s.run, s.revision = spec, revision
	return nil
}

// appliedRuntime returns spec.runtime as it was when the Deployment was applied.
// It may be newer than that of the stored revision, which is not stored again
// when only, say, a limit changes.
func appliedRuntime(deployment *appsv1.Deployment) (v1alpha1.Runtime, bool) {
	var runtime v1alpha1.Runtime
	if deployment == nil {
		return runtime, false
	}
	err := json.Unmarshal([]byte(deployment.Annotations[render.RuntimeAnnotation]), &runtime)
	return runtime, err == nil
}

// deployment returns the flow's Deployment, nil where there is none.
func (s *flowScope) deployment(ctx context.Context) (*appsv1.Deployment, error) {
	return ownedDeployment(ctx, s.Client, s.flow, types.NamespacedName{
		Namespace: s.flow.Namespace, Name: render.FlowObjectName(s.flow.Name),
	})
}

// storedSpec returns the spec of a revision, nil where it is not stored.
func (s *flowScope) storedSpec(ctx context.Context, revision string) (*v1alpha1.FlowSpec, error) {
	key := types.NamespacedName{Namespace: s.flow.Namespace, Name: render.RevisionName(s.flow.Name, revision)}
	stored := new(corev1.ConfigMap)
	err := s.Live.Get(ctx, key, stored)
	if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(stored, s.flow)) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading revision %s: %w", revision, err)
	}
	var content graph.Revision
	if err := json.Unmarshal([]byte(stored.Data[render.RevisionKey]), &content); err != nil {
		return nil, fmt.Errorf("decoding revision %s: %w", revision, err)
	}
	return &content.Flow, nil
}

// pruneRevisions deletes the earlier revisions beyond the limit. One that is
// used, or will be, is never deleted.
func (s *flowScope) pruneRevisions(ctx context.Context) error {
	if s.run == nil || s.outcome.failure != nil {
		return nil
	}
	used, err := s.usedRevisions(ctx)
	if err != nil {
		return err
	}
	stored := new(corev1.ConfigMapList)
	err = s.Client.List(ctx, stored, client.InNamespace(s.flow.Namespace),
		client.MatchingLabels{render.FlowLabel: s.flow.Name}, client.HasLabels{render.RevisionLabel})
	if err != nil {
		return fmt.Errorf("listing revisions: %w", err)
	}
	var old []*corev1.ConfigMap
	for i := range stored.Items {
		c := &stored.Items[i]
		if !used[c.Labels[render.RevisionLabel]] && metav1.IsControlledBy(c, s.flow) && c.DeletionTimestamp == nil {
			old = append(old, c)
		}
	}
	slices.SortFunc(old, newestFirst)
	keep := int(ptr.Deref(s.flow.Spec.RevisionHistoryLimit, defaultHistory))
	for _, c := range old[min(keep, len(old)):] {
		if err := s.applier.Delete(ctx, s.flow, c); err != nil {
			return err
		}
	}
	return nil
}

const defaultHistory = 10

func (s *flowScope) usedRevisions(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{
		s.revision:                     true,
		s.observed.Desired:             true,
		s.flow.Status.Revision.Serving: true,
		s.flow.Status.Revision.Desired: true,
	}
	deployment, err := s.deployment(ctx)
	if err != nil {
		return nil, err
	}
	if deployment != nil {
		used[deployment.Spec.Template.Labels[render.RevisionLabel]] = true
	}
	pods, err := podsOf(ctx, s.Client, s.flow)
	if err != nil {
		return nil, err
	}
	for _, pod := range pods {
		used[pod.Labels[render.RevisionLabel]] = true
	}
	return used, nil
}

func newestFirst(a, b *corev1.ConfigMap) int {
	if c := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.Name, b.Name)
}
