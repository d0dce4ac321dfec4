package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/hack/dev/internal/images"
	"github.com/weft-run/weft/hack/dev/internal/kube"
	"github.com/weft-run/weft/hack/dev/internal/secrets"
	"github.com/weft-run/weft/hack/dev/manifests"
	"github.com/weft-run/weft/hack/image/debian"
)

// Images that are pulled where none can be made.
const (
	pulledPostgres = "docker.io/library/postgres:17"
	pulledRedis    = "docker.io/library/redis:8"
)

// urlAnnotation is where the chart writes the portal's address.
const urlAnnotation = "weft.run/public-url"

// urlTimeout bounds the question for the address of a running portal.
const urlTimeout = 10 * time.Second

// built is what the build steps made.
type built struct {
	weft      []images.Image
	databases []images.Image // empty when both are pulled
}

// up makes everything and waits until it is ready. Every step can be repeated.
func (e *environment) up(ctx context.Context, out io.Writer) error {
	begin := time.Now()
	if e.config.Helm == "" {
		return errors.New("HELM is not set: use make up, which builds Helm")
	}
	b, err := e.prepare(ctx)
	if err != nil {
		return err
	}
	kubeconfig, err := e.target.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	c, err := kube.Connect(kubeconfig)
	if err != nil {
		return err
	}
	if err := e.deploy(ctx, c, kubeconfig, b); err != nil {
		return err
	}
	e.progress.Say("all is ready after %s", time.Since(begin).Round(time.Second))
	e.welcome(out)
	return nil
}

// prepare starts the cluster and builds our programs meanwhile. The databases
// come after the cluster, as both may call apt-get, which does not wait.
func (e *environment) prepare(ctx context.Context) (built, error) {
	var b built
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := e.progress.Step(ctx, "starting the cluster", e.target.Up); err != nil || !e.ownDatabases() {
			return err
		}
		return e.progress.Step(ctx, "making images of Postgres and Redis", func(ctx context.Context) (err error) {
			b.databases, err = e.images.Databases(ctx)
			return err
		})
	})
	group.Go(func() error {
		return e.progress.Step(ctx, "building operator, runtime and portal", func(ctx context.Context) (err error) {
			b.weft, err = e.images.Weft(ctx)
			return err
		})
	})
	if err := group.Wait(); err != nil {
		return b, fmt.Errorf("preparing: %w", err)
	}
	return b, nil
}

// ownDatabases says whether the images of Postgres and Redis are made here.
func (e *environment) ownDatabases() bool {
	return debian.Available() && (e.config.PostgresImage == "" || e.config.RedisImage == "")
}

// deploy puts everything into the cluster.
func (e *environment) deploy(ctx context.Context, c *kube.Cluster, kubeconfig string, b built) error {
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"bringing the images to the cluster", func(ctx context.Context) error {
			return e.target.Deliver(ctx, c, append(b.weft, b.databases...))
		}},
		{"starting Postgres and Redis", func(ctx context.Context) error { return e.startDatabases(ctx, c, b) }},
		{"installing the chart", func(ctx context.Context) error {
			helm := e.helm(kubeconfig)
			if err := helm.ApplyCRDs(ctx, c); err != nil {
				return err
			}
			return helm.Install(ctx, c, e.values(b.weft))
		}},
		{"waiting for Weft", func(ctx context.Context) error {
			return c.WaitReady(ctx, manifests.System, []string{"weft-operator", "weft-portal", "weft-gateway"}, e.config.Ready, e.progress.Say)
		}},
	}
	for _, s := range steps {
		if err := e.progress.Step(ctx, s.what, s.do); err != nil {
			return err
		}
	}
	return nil
}

// startDatabases applies Postgres and Redis and waits for them: the chart's
// first step needs them.
func (e *environment) startDatabases(ctx context.Context, c *kube.Cluster, b built) error {
	if err := c.ApplyAll(ctx, []*unstructured.Unstructured{manifests.Namespace()}); err != nil {
		return err
	}
	if err := secrets.Ensure(ctx, c, manifests.System); err != nil {
		return err
	}
	objects, err := manifests.Databases(e.databaseImages(b))
	if err != nil {
		return err
	}
	if err := c.ApplyAll(ctx, objects); err != nil {
		return err
	}
	return c.WaitReady(ctx, manifests.System, []string{"weft-postgres", "weft-redis"}, e.config.Ready, e.progress.Say)
}

// databaseImages chooses what was asked for, else what was made, else what can
// be pulled.
func (e *environment) databaseImages(b built) manifests.Images {
	chosen := manifests.Images{Postgres: pulledPostgres, Redis: pulledRedis}
	for _, i := range b.databases {
		if i.Name == "postgres" {
			chosen.Postgres = i.Reference(e.config.Registry)
		} else {
			chosen.Redis = i.Reference(e.config.Registry)
		}
	}
	if e.config.PostgresImage != "" {
		chosen.Postgres = e.config.PostgresImage
	}
	if e.config.RedisImage != "" {
		chosen.Redis = e.config.RedisImage
	}
	return chosen
}

// values are the chart's settings.
func (e *environment) values(weft []images.Image) map[string]any {
	refs := map[string]any{}
	for _, i := range weft {
		refs[i.Name] = map[string]any{"repository": i.Repository(e.config.Registry), "tag": i.Tag}
	}
	v := map[string]any{
		"images":     refs,
		"publicUrl":  e.config.PublicURL,
		"gatewayUrl": e.config.GatewayURL,
		"database":   map[string]any{"secretName": secrets.Database},
		"redis":      map[string]any{"secretName": secrets.Redis},
	}
	if e.nodePorts() {
		v["portal"] = map[string]any{"service": map[string]any{"type": "NodePort", "nodePort": portalPort}}
		v["gateway"] = map[string]any{"service": map[string]any{"type": "NodePort", "nodePort": gatewayPort}}
	}
	return v
}

// nodePorts says whether the addresses are ports of the node: on a cluster of
// our own they are, on another one nobody knows what is free.
func (e *environment) nodePorts() bool { return !e.config.Current || e.config.Registry == "" }

// welcome says where the portal is and what to do there.
func (e *environment) welcome(out io.Writer) {
	forward := ""
	if !e.nodePorts() {
		forward = fmt.Sprintf(`
  Unless these addresses lead to the cluster already, run beside it:
    kubectl -n %[1]s port-forward service/weft-portal %[2]d:80
    kubectl -n %[1]s port-forward service/weft-gateway %[3]d:80
`, manifests.System, portalPort, gatewayPort)
	}
	fmt.Fprintf(out, `
  Weft is ready at  %s
  exposed flows at  %s
%s
  Open the first address and choose "Sign up": the first account becomes the
  administrator. kubectl works with  export KUBECONFIG=$(make -s kubeconfig)

`, e.config.PublicURL, e.config.GatewayURL, forward)
}

// url prints the address of the running portal and nothing else.
func (e *environment) url(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, urlTimeout)
	defer cancel()
	kubeconfig, err := e.target.Kubeconfig(ctx)
	if err != nil {
		return fmt.Errorf("no cluster is running (make up starts one): %w", err)
	}
	c, err := kube.Connect(kubeconfig)
	if err != nil {
		return fmt.Errorf("no cluster is running (make up starts one): %w", err)
	}
	var portal appsv1.Deployment
	if err := c.Get(ctx, client.ObjectKey{Namespace: manifests.System, Name: "weft-portal"}, &portal); err != nil {
		return fmt.Errorf("no portal is running (make up starts one): %w", err)
	}
	fmt.Fprintln(out, portal.Annotations[urlAnnotation])
	return nil
}
