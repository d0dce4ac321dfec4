package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

const (
	// fieldManager is the portal's name in server-side apply.
	fieldManager = "weft-portal"
	// annotationID holds the portal's id of a flow.
	annotationID = "weft.run/flow-id"
	// annotationVersion holds the version that was applied.
	annotationVersion = "weft.run/flow-version"
)

// Reasons why the cluster does not have a version.
const (
	reasonAway     = "ClusterAway"
	reasonConflict = "Conflict"
	reasonRefused  = "Refused"
)

// clusterError says why an object could not be written.
type clusterError struct {
	Reason  string
	Message string
	Cause   error
}

// Error returns the message and the cause.
func (e *clusterError) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *clusterError) Unwrap() error { return e.Cause }

// cluster reads and writes Flow objects. It never forces a write.
type cluster struct {
	kube    client.Client
	cache   client.Reader
	timeout time.Duration
}

// target is an object in the cluster.
type target struct {
	Workspace string
	Name      string
	ID        string
}

func (t target) key() client.ObjectKey {
	return client.ObjectKey{Namespace: v1alpha1.WorkspaceNamespacePrefix + t.Workspace, Name: t.Name}
}

// Get returns the watched copy of an object, nil where there is none.
func (c *cluster) Get(ctx context.Context, t target) (*v1alpha1.Flow, error) {
	return c.get(ctx, c.cache, t)
}

func (c *cluster) get(ctx context.Context, from client.Reader, t target) (*v1alpha1.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	flow := new(v1alpha1.Flow)
	err := from.Get(ctx, t.key(), flow)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a Flow object: %w", err)
	}
	return flow, nil
}

// List returns the watched copies of a workspace's objects, by name.
func (c *cluster) List(ctx context.Context, workspace string) (map[string]*v1alpha1.Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	list := new(v1alpha1.FlowList)
	if err := c.cache.List(ctx, list, client.InNamespace(v1alpha1.WorkspaceNamespacePrefix+workspace)); err != nil {
		return nil, fmt.Errorf("listing Flow objects: %w", err)
	}
	byName := make(map[string]*v1alpha1.Flow, len(list.Items))
	for i := range list.Items {
		byName[list.Items[i].Name] = &list.Items[i]
	}
	return byName, nil
}

// applyTries bounds how often a write is tried anew because the object changed
// between reading and writing, as it does when its status is written.
const applyTries = 5

// Apply writes a version. It carries UID and resourceVersion of what it read,
// so that it writes neither over a newer version nor over somebody else's
// object.
func (c *cluster) Apply(ctx context.Context, t target, version int64, spec *v1alpha1.FlowSpec) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var err error
	for range applyTries {
		err = c.applyOnce(ctx, t, version, spec)
		if !isStale(err) {
			break
		}
	}
	return clusterFailure(err)
}

func (c *cluster) applyOnce(ctx context.Context, t target, version int64, spec *v1alpha1.FlowSpec) error {
	current, err := c.get(ctx, c.kube, t)
	if err != nil {
		return err
	}
	if current != nil {
		if err := mayWrite(current, t); err != nil {
			return err
		}
		if appliedVersion(current) > version {
			return nil
		}
	}
	object, err := applied(t, version, spec, current)
	if err != nil {
		return err
	}
	if err := c.kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("applying a Flow object: %w", err)
	}
	return nil
}

func appliedVersion(flow *v1alpha1.Flow) int64 {
	version, err := strconv.ParseInt(flow.Annotations[annotationVersion], 10, 64)
	if err != nil {
		return 0
	}
	return version
}

// mayWrite refuses objects that belong to somebody else.
func mayWrite(current *v1alpha1.Flow, t target) error {
	if owner := ownerOf(current); owner != "" {
		return &clusterError{Reason: reasonConflict, Message: fmt.Sprintf("The flow of this name in the cluster is managed by %s. Change it there.", owner)}
	}
	if current.Annotations[annotationID] != t.ID {
		return &clusterError{Reason: reasonConflict, Message: "The cluster has a flow of this name that was not made here."}
	}
	if current.DeletionTimestamp != nil {
		return &clusterError{Reason: reasonAway, Message: "The cluster is still deleting an earlier flow of this name."}
	}
	return nil
}

// applied returns the object as the portal wants it: nothing but what it owns.
func applied(t target, version int64, spec *v1alpha1.FlowSpec, current *v1alpha1.Flow) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encoding a flow: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("decoding a flow: %w", err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Flow"))
	object.SetNamespace(t.key().Namespace)
	object.SetName(t.Name)
	object.SetLabels(map[string]string{v1alpha1.WorkspaceLabel: t.Workspace})
	object.SetAnnotations(map[string]string{annotationID: t.ID, annotationVersion: strconv.FormatInt(version, 10)})
	if current != nil {
		object.SetUID(current.UID)
		object.SetResourceVersion(current.ResourceVersion)
	}
	return object, nil
}

// isStale says that the object changed since it was read.
func isStale(err error) bool {
	return apierrors.IsConflict(err) && len(conflictingManagers(err)) == 0
}

// conflictingManagers returns who owns the fields that a write would have
// changed.
func conflictingManagers(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var managers []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			managers = append(managers, managerName(cause.Message))
		}
	}
	slices.Sort(managers)
	return slices.Compact(managers)
}

// managerName takes the name out of `conflict with "kubectl" using weft.run/v1alpha1`.
func managerName(message string) string {
	_, rest, ok := strings.Cut(message, `"`)
	if !ok {
		return "another program"
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// clusterFailure sorts errors into those that time heals and those that it
// does not.
func clusterFailure(err error) error {
	var known *clusterError
	managers := conflictingManagers(err)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case len(managers) > 0:
		return &clusterError{Reason: reasonConflict, Message: fmt.Sprintf("The flow was changed in the cluster by %s.", strings.Join(managers, ", ")), Cause: err}
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || overQuota(err):
		return &clusterError{Reason: reasonRefused, Message: "The cluster refused the flow: " + refusal(err), Cause: err}
	default:
		return &clusterError{Reason: reasonAway, Message: waitingMessage, Cause: err}
	}
}

// overQuota says that the workspace has as many flows as it may have. Other
// refusals of rights pass: a new workspace gets its rights a moment after it
// was made.
func overQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// refusal returns the API server's own words where they speak of the flow.
func refusal(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "it gave no reason."
	}
	message := status.Status().Message
	if len(message) > 1000 {
		message = message[:1000] + "…"
	}
	return strings.ToValidUTF8(message, "")
}

// Delete removes the object if it is the portal's own.
func (c *cluster) Delete(ctx context.Context, t target) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	current, err := c.get(ctx, c.kube, t)
	if err != nil {
		return clusterFailure(err)
	}
	if current == nil || current.Annotations[annotationID] != t.ID {
		return nil
	}
	err = c.kube.Delete(ctx, current, client.Preconditions{UID: &current.UID})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return clusterFailure(err)
}

// ownerOf names the tool that keeps an object in Git or in a release, if one
// does: such an object is not changed here.
func ownerOf(flow *v1alpha1.Flow) string {
	labels, annotations := flow.Labels, flow.Annotations
	switch {
	case annotations["argocd.argoproj.io/tracking-id"] != "" || labels["argocd.argoproj.io/instance"] != "":
		return "Argo CD"
	case labels["kustomize.toolkit.fluxcd.io/name"] != "" || labels["helm.toolkit.fluxcd.io/name"] != "":
		return "Flux"
	case labels["app.kubernetes.io/managed-by"] == "Helm" || annotations["meta.helm.sh/release-name"] != "":
		return "Helm"
	}
	return ""
}
