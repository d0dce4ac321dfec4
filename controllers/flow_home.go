package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status"
)

// findWorkspace finds the workspace that the flow's namespace belongs to. The
// name of the namespace alone proves nothing: the Workspace must have made it.
func (s *flowScope) findWorkspace(ctx context.Context) error {
	s.observed.Home = status.HomeMissing
	name, ok := strings.CutPrefix(s.flow.Namespace, v1alpha1.WorkspaceNamespacePrefix)
	if !ok {
		return nil
	}
	workspace := new(v1alpha1.Workspace)
	err := s.Client.Get(ctx, types.NamespacedName{Name: name}, workspace)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Workspace %s: %w", name, err)
	}
	if workspace.Status.Namespace != s.flow.Namespace || workspace.DeletionTimestamp != nil {
		s.observed.Home = status.HomeNotReady
		return nil
	}
	s.workspace = workspace
	return s.findTrust(ctx)
}

// findTrust: a pod whose ConfigMap is absent would wait for it for minutes.
func (s *flowScope) findTrust(ctx context.Context) error {
	key := types.NamespacedName{Namespace: s.flow.Namespace, Name: render.TrustName}
	err := s.Client.Get(ctx, key, new(corev1.ConfigMap))
	switch {
	case err == nil:
		s.observed.Home = status.HomeReady
		return nil
	case apierrors.IsNotFound(err):
		s.observed.Home = status.HomeNotReady
		return nil
	default:
		return fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}
}
