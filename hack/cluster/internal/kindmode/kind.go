// Package kindmode runs the cluster in Docker, with kind as a library. The node
// image comes from a registry.
package kindmode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/cmd"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/lock"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
)

const (
	// name of the kind cluster.
	name = "weft"
	// readyWithin is how long the node may take to become ready.
	readyWithin = 5 * time.Minute
	lockTimeout = 15 * time.Minute
)

// nodePorts are the Services that must answer on localhost. In Docker each port
// has to be published when the node is made.
var nodePorts = []int32{30080, 30081}

// Cluster is the kind cluster of this machine.
type Cluster struct {
	Cache    layout.Cache
	Progress *progress.Printer
}

func provider() *cluster.Provider {
	return cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(cmd.NewLogger()))
}

// Up makes the cluster if there is none.
func (c Cluster) Up(ctx context.Context) error {
	held, err := lock.Take(ctx, c.Cache.Lock(), lockTimeout, func() {
		c.Progress.Say("waiting: another command is working on the cluster")
	})
	if err != nil {
		return err
	}
	defer held.Release()
	kind := provider()
	exists, err := exists(kind)
	if err != nil {
		return err
	}
	if _, err := c.Kubeconfig(); exists && err == nil {
		return nil
	}
	if exists {
		// kind writes the kubeconfig last, so this one was never finished.
		if err := c.remove(ctx, kind); err != nil {
			return err
		}
	}
	return c.Progress.Step(ctx, "making a kind cluster", func(context.Context, *progress.Detail) error {
		return kind.Create(name,
			cluster.CreateWithV1Alpha4Config(configuration()),
			cluster.CreateWithKubeconfigPath(c.Cache.KindKubeconfig()),
			cluster.CreateWithWaitForReady(readyWithin),
			cluster.CreateWithDisplayUsage(false),
			cluster.CreateWithDisplaySalutation(false),
		)
	})
}

// configuration is one node whose NodePorts answer on this machine only.
func configuration() *v1alpha4.Cluster {
	node := v1alpha4.Node{Role: v1alpha4.ControlPlaneRole}
	for _, port := range nodePorts {
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{
			ContainerPort: port, HostPort: port, ListenAddress: "127.0.0.1", Protocol: v1alpha4.PortMappingProtocolTCP,
		})
	}
	return &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{APIVersion: "kind.x-k8s.io/v1alpha4", Kind: "Cluster"},
		Nodes:    []v1alpha4.Node{node},
	}
}

func exists(kind *cluster.Provider) (bool, error) {
	names, err := kind.List()
	if err != nil {
		return false, fmt.Errorf("list kind clusters: %w", err)
	}
	return slices.Contains(names, name), nil
}

// Down deletes the cluster.
func (c Cluster) Down(ctx context.Context) error {
	return c.remove(ctx, provider())
}

func (c Cluster) remove(ctx context.Context, kind *cluster.Provider) error {
	return c.Progress.Step(ctx, "removing the kind cluster", func(context.Context, *progress.Detail) error {
		if err := kind.Delete(name, c.Cache.KindKubeconfig()); err != nil {
			return err
		}
		if err := os.Remove(c.Cache.KindKubeconfig()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the kubeconfig: %w", err)
		}
		return nil
	})
}

// Status writes the nodes.
func (Cluster) Status(_ context.Context, out io.Writer) error {
	nodes, err := provider().ListNodes(name)
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	if len(nodes) == 0 {
		return errors.New("there is no kind cluster; make one with: make up")
	}
	for _, node := range nodes {
		if _, err := fmt.Fprintln(out, node); err != nil {
			return err
		}
	}
	return nil
}

// Kubeconfig returns the path of the kubeconfig.
func (c Cluster) Kubeconfig() (string, error) {
	if _, err := os.Stat(c.Cache.KindKubeconfig()); err != nil {
		return "", fmt.Errorf("there is no kind cluster; make one with: make up (%w)", err)
	}
	return c.Cache.KindKubeconfig(), nil
}

// Load imports image archives into every node.
func (c Cluster) Load(ctx context.Context, archives []string) error {
	nodes, err := provider().ListInternalNodes(name)
	if err != nil {
		return fmt.Errorf("list the nodes: %w", err)
	}
	for _, archive := range archives {
		err := c.Progress.Step(ctx, "loading "+archive, func(context.Context, *progress.Detail) error {
			for _, node := range nodes {
				if err := load(func(r io.Reader) error { return nodeutils.LoadImageArchive(node, r) }, archive); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads the archive anew for each node.
func load(into func(io.Reader) error, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the image: %w", err)
	}
	return errors.Join(into(file), file.Close())
}
