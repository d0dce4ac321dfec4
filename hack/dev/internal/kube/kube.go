// Package kube talks to the cluster that the development environment is in.
package kube

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// manager is the field manager of everything that hack/dev applies.
const manager = "weft-dev"

// requestTimeout bounds every request to the API server.
const requestTimeout = 30 * time.Second

// Cluster is a connection to a cluster.
type Cluster struct {
	client.Client
	Typed kubernetes.Interface
	Host  string
}

// Connect opens the cluster of a kubeconfig; an empty path means the default
// places, as kubectl has them.
func Connect(path string) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config.Timeout = requestTimeout
	c, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return &Cluster{Client: c, Typed: typed, Host: config.Host}, nil
}

// ApplyAll writes objects by server-side apply, in their order.
func (c *Cluster) ApplyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(manager), client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}
