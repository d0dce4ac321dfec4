package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/weft-run/weft/api/v1alpha1"
)

const (
	// kubeTimeout bounds each call to the cluster but watches.
	kubeTimeout = 10 * time.Second
	kubeQPS     = 50
	kubeBurst   = 100
)

// restConfig finds the cluster: KUBECONFIG, or the one that we run in.
func restConfig() (*rest.Config, error) {
	c, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster (KUBECONFIG, or in-cluster): %w", err)
	}
	c.UserAgent = "weft-portal"
	c.QPS, c.Burst = kubeQPS, kubeBurst
	return c, nil
}

// cluster is what the portal knows of Kubernetes.
type cluster struct {
	// direct asks the API server itself.
	direct client.Client
	// watched holds copies of Flows and Workspaces.
	watched cache.Cache
	log     *slog.Logger
}

func scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme, authenticationv1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("registering the kinds: %w", err)
		}
	}
	return s, nil
}

// newCluster prepares the clients. It does not need the API server to be there.
func newCluster(c *rest.Config, log *slog.Logger) (*cluster, error) {
	s, err := scheme()
	if err != nil {
		return nil, err
	}
	bounded := rest.CopyConfig(c)
	bounded.Timeout = kubeTimeout
	direct, err := client.New(bounded, client.Options{Scheme: s})
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster's client: %w", err)
	}
	watched, err := cache.New(c, cache.Options{Scheme: s, DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, fmt.Errorf("preparing the copy of the cluster's objects: %w", err)
	}
	return &cluster{direct: direct, watched: watched, log: log}, nil
}

// run keeps the copies up to date until ctx ends.
func (c *cluster) run(ctx context.Context) error {
	for _, object := range []client.Object{&v1alpha1.Flow{}, &v1alpha1.Workspace{}} {
		go c.watch(ctx, object)
	}
	if err := c.watched.Start(ctx); err != nil {
		return fmt.Errorf("watching the cluster: %w", err)
	}
	return nil
}

// watch starts the watch of a kind early, so that the first request that needs
// it does not wait. It tries until the cluster is there.
func (c *cluster) watch(ctx context.Context, object client.Object) {
	ticker := time.NewTicker(startRetry)
	defer ticker.Stop()
	for {
		_, err := c.watched.GetInformer(ctx, object)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.log.WarnContext(ctx, "watching the cluster, trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
