package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/weft-run/weft/portal/gateway"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/server"
)

// gateway builds the front door of exposed flows.
func (in *instance) gateway(ctx context.Context) (*front, error) {
	users, err := in.gatewayUsers(ctx)
	if err != nil {
		return nil, err
	}
	request, err := keys.LoadRequest(ctx, in.place)
	if err != nil {
		return nil, err
	}
	rc, err := restConfig()
	if err != nil {
		return nil, err
	}
	kube, err := newKubernetes(rc)
	if err != nil {
		return nil, err
	}
	watched, err := gateway.NewCache(rc)
	if err != nil {
		return nil, fmt.Errorf("preparing the copy of the cluster's flows: %w", err)
	}
	proxies, err := in.config.proxies()
	if err != nil {
		return nil, err
	}
	config := gateway.Config{
		TrustedProxies: proxies, Replicas: in.config.GatewayReplicas, Limits: gateway.Limits(in.config.Requests),
	}
	directory := gateway.NewDirectory()
	g, err := gateway.New(config, gateway.Deps{
		Directory: directory, Users: users, Store: in.store, Cluster: gateway.NewCluster(kube), Redis: in.redis,
		SigningKey: request[0], Registerer: in.registry, Log: in.log,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the gateway: %w", err)
	}
	return &front{
		server: gateway.NewServer(config, g, in.log),
		background: []server.Background{
			{Name: "watching the cluster", Run: watched.Start},
			{Name: "hearing of flows", Run: func(ctx context.Context) error { return hear(ctx, directory, watched, in.log) }},
			{Name: "gateway", Run: g.Run},
		},
		ready: g.Ready,
	}, nil
}

// hear tries until the cluster has told of all flows.
func hear(ctx context.Context, directory *gateway.Directory, watched cache.Cache, log *slog.Logger) error {
	ticker := time.NewTicker(startRetry)
	defer ticker.Stop()
	for {
		err := directory.Watch(ctx, watched)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		log.WarnContext(ctx, "hearing of the cluster's flows, trying again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// gatewayUsers verifies access tokens here, or at the identity server where one
// is named.
func (in *instance) gatewayUsers(ctx context.Context) (identity.Verifier, error) {
	if in.config.IdentityURL != "" {
		return in.remoteIdentity()
	}
	return in.newIdentity(ctx, nil)
}

func newKubernetes(c *rest.Config) (kubernetes.Interface, error) {
	bounded := rest.CopyConfig(c)
	bounded.Timeout = kubeTimeout
	kube, err := kubernetes.NewForConfig(bounded)
	if err != nil {
		return nil, fmt.Errorf("preparing the cluster's client: %w", err)
	}
	return kube, nil
}
