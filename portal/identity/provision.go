package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/names"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

const (
	fieldManager     = "weft-portal"
	provisionEvery   = 30 * time.Second
	everythingEvery  = 20 // rounds
	provisionTimeout = 5 * time.Second
	nameAlphabet     = "abcdefghijklmnopqrstuvwxyz0123456789"
	maxNameStem      = 33
)

// workspaceName makes a name from the local part of an e-mail address.
func workspaceName(email string) string {
	local, _, _ := strings.Cut(email, "@")
	stem := names.Slug(local, maxNameStem)
	if stem == "" || stem[0] < 'a' {
		stem = names.Slug("w-"+stem, maxNameStem)
	}
	return stem + "-" + randomName(6)
}

func randomName(n int) string {
	text := strings.ToLower(rand.Text())
	var b strings.Builder
	for i := range n {
		b.WriteByte(nameAlphabet[strings.IndexByte(nameAlphabet, text[i])])
	}
	return b.String()
}

// Provisioner keeps the cluster's Workspace objects in step with the accounts.
// A sign-up does not wait for it: what cannot be done now is done later.
type Provisioner struct {
	*server.Loop
	store *store.Store
	kube  client.Client
	log   *slog.Logger
	now   func() time.Time
}

// NewProvisioner returns a provisioner. Its Run must be started.
func NewProvisioner(d server.Deps) *Provisioner {
	return &Provisioner{Loop: server.NewLoop(provisionEvery), store: d.Store, kube: d.Kube, log: d.Log, now: d.Now}
}

// Run works until ctx ends: at start and now and then on everything, in between
// on what is pending.
func (p *Provisioner) Run(ctx context.Context) error {
	p.Loop.Run(ctx, func(ctx context.Context, due int) {
		if err := p.Reconcile(ctx, due >= 0 && due%everythingEvery == 0); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "workspaces are not in step with the cluster, trying again", "error", err)
		}
		if err := p.store.Tidy(ctx, p.now()); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "removing expired sessions", "error", err)
		}
	})
	return nil
}

// Reconcile does one round. One workspace's trouble does not keep the others
// from theirs, but a cluster that does not answer ends the round.
func (p *Provisioner) Reconcile(ctx context.Context, everything bool) error {
	work, err := p.store.WorkspacesToReconcile(ctx, everything)
	if err != nil {
		return err
	}
	var problems []error
	for _, w := range work {
		err := p.one(ctx, w)
		if err != nil {
			problems = append(problems, fmt.Errorf("workspace %s: %w", w.Name, err))
		}
		if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(problems...)
}

func (p *Provisioner) one(ctx context.Context, w store.WorkspaceWork) error {
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	if w.Deleted {
		return p.remove(ctx, w)
	}
	object := workspaceObject(w.Workspace)
	if err := p.kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("applying the object: %w", err)
	}
	uid := string(object.GetUID())
	if w.UID != nil && *w.UID == uid {
		return nil
	}
	return p.store.WorkspaceProvisioned(ctx, w.ID, uid, p.now())
}

func workspaceObject(w store.Workspace) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion().String(),
		"kind":       "Workspace",
		"metadata":   map[string]any{"name": w.Name},
		"spec": map[string]any{
			"title": w.Title,
			"owner": map[string]any{"kind": w.OwnerKind, "id": w.OwnerID.String()},
		},
	}}
}

// remove deletes the object of a deleted workspace, and forgets the row once
// it is gone. It touches only the object that it made.
func (p *Provisioner) remove(ctx context.Context, w store.WorkspaceWork) error {
	var found v1alpha1.Workspace
	found.Name = w.Name
	err := p.kube.Get(ctx, client.ObjectKey{Name: w.Name}, &found)
	if apierrors.IsNotFound(err) || err == nil && !owns(w, &found) {
		return p.store.ForgetWorkspace(ctx, w.ID)
	}
	if err != nil {
		return fmt.Errorf("reading the object: %w", err)
	}
	if !found.DeletionTimestamp.IsZero() {
		return nil
	}
	uid := found.UID
	err = p.kube.Delete(ctx, &found, client.Preconditions{UID: &uid, ResourceVersion: &found.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the object: %w", err)
	}
	p.Wake()
	return nil
}

func owns(w store.WorkspaceWork, found *v1alpha1.Workspace) bool {
	if w.UID != nil {
		return string(found.UID) == *w.UID
	}
	return found.Spec.Owner != nil && found.Spec.Owner.ID == w.OwnerID.String()
}
