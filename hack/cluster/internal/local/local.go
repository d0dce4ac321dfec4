// Package local runs the cluster as processes of this machine.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/build"
	"github.com/weft-run/weft/hack/cluster/internal/cgroup"
	"github.com/weft-run/weft/hack/cluster/internal/host"
	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/lock"
	"github.com/weft-run/weft/hack/cluster/internal/network"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/teardown"
)

// lockTimeout is how long a command waits for another one on the same cluster;
// the first `up` compiles Kubernetes.
const lockTimeout = 50 * time.Minute

// Cluster is the local cluster of this machine.
type Cluster struct {
	State    layout.State
	Cache    layout.Cache
	Builder  build.Builder
	Progress *progress.Printer
}

// Up makes the cluster or repairs it. Every step looks at what is there first,
// so that it can be repeated at any time and after any interruption.
func (c Cluster) Up(ctx context.Context) error {
	if err := host.Check(); err != nil {
		return err
	}
	held, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer held.Release()
	begin := time.Now()
	if err := host.Install(ctx, c.Progress); err != nil {
		return err
	}
	spec, err := c.build(ctx)
	if err != nil {
		return err
	}
	objects, err := c.prepare(ctx, &spec)
	if err != nil {
		return err
	}
	err = c.run(ctx, spec, objects)
	if errors.Is(err, errSupervisorGone) {
		// It was being stopped when we looked; once is bad luck, twice is not.
		err = c.run(ctx, spec, objects)
	}
	if err != nil {
		return err
	}
	c.Progress.Say("the local cluster is ready (%s); KUBECONFIG=%s", time.Since(begin).Round(100*time.Millisecond), c.State.Kubeconfig())
	return nil
}

// run starts what does not run and returns when the cluster can be used.
func (c Cluster) run(ctx context.Context, spec node.Spec, objects []byte) error {
	if err := c.ensureSupervisor(ctx, spec); err != nil {
		return err
	}
	if err := c.awaitComponents(ctx); err != nil {
		return err
	}
	return c.ensureObjects(ctx, spec, objects)
}

func (c Cluster) lock(ctx context.Context) (*lock.Lock, error) {
	return lock.Take(ctx, c.Cache.Lock(), lockTimeout, func() {
		c.Progress.Say("waiting: another command is working on the cluster")
	})
}

// build makes all that is compiled.
func (c Cluster) build(ctx context.Context) (node.Spec, error) {
	assets, err := c.Builder.Node(ctx)
	if err != nil {
		return node.Spec{}, err
	}
	pause, err := c.Builder.Pause(ctx)
	if err != nil {
		return node.Spec{}, err
	}
	dns, err := c.Builder.CoreDNS(ctx)
	if err != nil {
		return node.Spec{}, err
	}
	return node.Spec{
		Root:   c.State.Root,
		Binary: filepath.Join(assets, "node"),
		Images: []string{pause, dns},
	}, nil
}

// Down removes the cluster and everything it left on the machine.
func (c Cluster) Down(ctx context.Context) error {
	if err := host.Check(); err != nil {
		return err
	}
	held, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer held.Release()
	return c.Progress.Step(ctx, "removing the local cluster", func(ctx context.Context, detail *progress.Detail) error {
		return teardown.Run(ctx, c.State, detail.Set)
	})
}

// Exists says whether there is anything of a local cluster to look at.
func (c Cluster) Exists() bool {
	if _, err := os.Stat(c.State.Root); err == nil {
		return true
	}
	_, device, err := network.Owner()
	if err != nil || device {
		return true
	}
	tree, err := cgroup.Detect()
	return err == nil && tree.Exists()
}

// Kubeconfig returns the path of the administrator's kubeconfig.
func (c Cluster) Kubeconfig() (string, error) {
	_, err := os.Stat(c.State.Kubeconfig())
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("there is no local cluster; make one with: make up")
	}
	if err != nil {
		return "", fmt.Errorf("look for the kubeconfig: %w", err)
	}
	return c.State.Kubeconfig(), nil
}

// Load imports image archives.
func (c Cluster) Load(ctx context.Context, archives []string) error {
	if err := host.Check(); err != nil {
		return err
	}
	if !c.running() {
		return errors.New("the local cluster does not run; start it with: make up")
	}
	for _, archive := range archives {
		what := "loading " + filepath.Base(archive)
		err := c.Progress.Step(ctx, what, func(ctx context.Context, _ *progress.Detail) error {
			return node.Load(ctx, c.State, archive)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// permanent is an error that does not go away by waiting.
type permanent struct{ error }

// poll asks until check succeeds, and shows why it does not yet.
func poll(ctx context.Context, limit time.Duration, detail *progress.Detail, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if forever := (permanent{}); errors.As(err, &forever) {
			return forever.error
		}
		detail.Set("%v", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("not after %s: %w", limit, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// usable succeeds when pods can be created and find each other by name.
func usable(ctx context.Context, api *kube.Client) error {
	if err := api.NodeReady(ctx); err != nil {
		return err
	}
	if err := api.ServiceAccountExists(ctx, "default"); err != nil {
		return err
	}
	if err := api.DeploymentReady(ctx, "kube-system", "coredns"); err != nil {
		return err
	}
	// After a restart the objects still tell how things were before.
	address, err := resolve(ctx, "kubernetes.default")
	if err == nil && address != layout.ServiceAddress {
		err = fmt.Errorf("the cluster's DNS says that the API server is at %s", address)
	}
	return err
}
