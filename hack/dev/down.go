package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/hack/dev/internal/kube"
	"github.com/weft-run/weft/hack/dev/manifests"
)

// goneTimeout bounds how long objects may take to go.
const goneTimeout = 3 * time.Minute

// down removes what up made. A cluster of our own goes as a whole; from the
// user's own, everything of Weft is taken out.
func (e *environment) down(ctx context.Context) error {
	if !e.config.Current {
		return e.target.Down(ctx)
	}
	if e.config.Helm == "" {
		return errors.New("HELM is not set: use make down, which builds Helm")
	}
	kubeconfig, err := e.target.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	c, err := kube.Connect(kubeconfig)
	if err != nil {
		return err
	}
	// The operator must still run while workspaces go: it clears up after them.
	return errors.Join(
		e.progress.Step(ctx, "deleting flows and workspaces", func(ctx context.Context) error { return deleteWorkspaces(ctx, c) }),
		e.progress.Step(ctx, "removing the chart", e.helm(kubeconfig).Uninstall),
		e.progress.Step(ctx, "deleting the system namespace", func(ctx context.Context) error { return deleteSystem(ctx, c) }),
	)
}

// deleteWorkspaces deletes all workspaces, with what is in them, and waits.
func deleteWorkspaces(ctx context.Context, c *kube.Cluster) error {
	one := &unstructured.Unstructured{}
	one.SetGroupVersionKind(schema.GroupVersionKind{Group: "weft.run", Version: "v1alpha1", Kind: "Workspace"})
	if err := c.DeleteAllOf(ctx, one); err != nil {
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("deleting workspaces: %w", err)
	}
	return waitGone(ctx, func(ctx context.Context) (bool, error) {
		all := &unstructured.UnstructuredList{}
		all.SetGroupVersionKind(one.GroupVersionKind())
		if err := c.List(ctx, all); err != nil {
			return false, fmt.Errorf("listing workspaces: %w", err)
		}
		return len(all.Items) == 0, nil
	})
}

// deleteSystem deletes the system namespace, with Postgres and all data in it,
// and waits.
func deleteSystem(ctx context.Context, c *kube.Cluster) error {
	ns := &corev1.Namespace{}
	ns.Name = manifests.System
	if err := client.IgnoreNotFound(c.Delete(ctx, ns)); err != nil {
		return fmt.Errorf("deleting the namespace: %w", err)
	}
	return waitGone(ctx, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(ns), ns)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// waitGone looks each second whether something has gone.
func waitGone(ctx context.Context, gone func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		done, err := gone(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not go in time: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
