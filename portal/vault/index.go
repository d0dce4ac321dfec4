package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

const (
	// indexName is the ConfigMap, in a workspace's namespace, that says which
	// keys there are.
	indexName    = "weft-vault-index"
	fieldManager = "weft-portal"
	indexEvery   = 30 * time.Second
	// afreshEvery is the number of turns after which everything is written
	// again, whatever is thought to be there.
	afreshEvery  = 20
	applyTimeout = 5 * time.Second
	// A namespace comes a second or two after its workspace.
	minPatience = time.Second
)

// Index keeps a copy of the names and versions of every workspace's keys in the
// cluster, where the operator sees which references resolve.
type Index struct {
	*server.Loop
	store   *store.Store
	kube    client.Client
	log     *slog.Logger
	applied map[string]map[string]string // by workspace name
	// patience is how long to wait for namespaces that are being made.
	patience time.Duration
}

// NewIndex returns an index. Its Run must be started.
func NewIndex(d server.Deps) *Index {
	return &Index{Loop: server.NewLoop(indexEvery), store: d.Store, kube: d.Kube, log: d.Log, applied: map[string]map[string]string{}}
}

// Run works until ctx ends.
func (x *Index) Run(ctx context.Context) error {
	x.Loop.Run(ctx, func(ctx context.Context, due int) {
		if due > 0 && due%afreshEvery == 0 {
			clear(x.applied)
		}
		waiting, err := x.Reconcile(ctx)
		if err != nil && ctx.Err() == nil {
			x.log.WarnContext(ctx, "the vault's index is not in step with the cluster, trying again", "error", err)
		}
		x.wait(waiting)
	})
	return nil
}

// wait looks again soon where namespaces are being made, and ever later where
// they do not come.
func (x *Index) wait(waiting bool) {
	if !waiting {
		x.patience = 0
		return
	}
	x.patience = max(minPatience, 2*x.patience)
	if x.patience >= indexEvery {
		x.log.Warn("some workspaces have no namespace, or none that we may write in, for the vault's index")
		x.patience = indexEvery
		return
	}
	time.AfterFunc(x.patience, x.Wake)
}

// Reconcile writes what is not in the cluster yet, and tells whether a namespace
// is missing for it. It must not be called by several at once.
func (x *Index) Reconcile(ctx context.Context) (waiting bool, err error) {
	wanted, err := x.wanted(ctx)
	if err != nil {
		return false, err
	}
	var problems []error
	for workspace, data := range wanted {
		if have, ok := x.applied[workspace]; ok && maps.Equal(have, data) {
			continue
		}
		there, err := x.apply(ctx, workspace, data)
		if err != nil {
			problems = append(problems, err)
		}
		waiting = waiting || !there && err == nil
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	maps.DeleteFunc(x.applied, func(workspace string, _ map[string]string) bool { return wanted[workspace] == nil })
	return waiting, errors.Join(problems...)
}

// wanted returns names and versions by workspace.
func (x *Index) wanted(ctx context.Context) (map[string]map[string]string, error) {
	rows, err := x.store.VaultIndex(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]map[string]string{}
	for _, row := range rows {
		if wanted[row.WorkspaceName] == nil {
			wanted[row.WorkspaceName] = map[string]string{}
		}
		if row.Name != nil && row.Version != nil {
			wanted[row.WorkspaceName][*row.Name] = strconv.FormatInt(*row.Version, 10)
		}
	}
	return wanted, nil
}

// apply writes one workspace's index, and tells whether its namespace is there.
// One that is not there yet is no problem: another turn tries again.
func (x *Index) apply(ctx context.Context, workspace string, data map[string]string) (there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	values := make(map[string]any, len(data))
	for name, version := range data {
		values[name] = version
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": indexName, "namespace": v1alpha1.WorkspaceNamespacePrefix + workspace,
			"labels": map[string]any{v1alpha1.WorkspaceLabel: workspace, "app.kubernetes.io/managed-by": fieldManager},
		},
		"data": values,
	}}
	err = x.kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager), client.ForceOwnership)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		// The namespace, or our rights in it, are being made or removed.
		return false, nil
	case err != nil:
		return false, fmt.Errorf("writing the vault index of workspace %s: %w", workspace, err)
	}
	x.applied[workspace] = data
	return true, nil
}
