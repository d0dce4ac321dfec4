// Package target is the cluster that the development environment is put into:
// one of our own making, or the one that the user's kubeconfig names.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/weft-run/weft/hack/dev/internal/command"
	"github.com/weft-run/weft/hack/dev/internal/images"
	"github.com/weft-run/weft/hack/dev/internal/kube"
	"github.com/weft-run/weft/hack/image"
)

// Time limits of the cluster command: the first "up" builds Kubernetes.
const (
	upTimeout    = 60 * time.Minute
	downTimeout  = 10 * time.Minute
	shortTimeout = 5 * time.Minute
)

// Target is a cluster.
type Target struct {
	Root     string // of the repository
	Current  bool   // the user's own cluster, not ours
	Registry string // to push images to; only for the user's own
	Progress io.Writer
}

// Up starts the local cluster. The user's own must run already.
func (t Target) Up(ctx context.Context) error {
	if t.Current {
		return nil
	}
	return t.run(ctx, upTimeout, "up")
}

// Down removes the local cluster. It never removes the user's own.
func (t Target) Down(ctx context.Context) error {
	if t.Current {
		return nil
	}
	return t.run(ctx, downTimeout, "down")
}

// Kubeconfig returns the path of the kubeconfig. For the user's own cluster it
// is empty when the default places hold it.
func (t Target) Kubeconfig(ctx context.Context) (string, error) {
	if t.Current {
		return currentKubeconfig(), nil
	}
	return command.Output(ctx, t.cluster(shortTimeout, "kubeconfig"))
}

// currentKubeconfig is what kubectl would read; the first, if it is a list.
func currentKubeconfig() string {
	if list := filepath.SplitList(os.Getenv("KUBECONFIG")); len(list) > 0 {
		return list[0]
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".kube", "config")
}

// Deliver brings images to where the cluster's nodes find them.
func (t Target) Deliver(ctx context.Context, c *kube.Cluster, built []images.Image) error {
	if t.Current && t.Registry != "" {
		return t.push(ctx, built)
	}
	if t.Current {
		ours, err := t.isLocal(ctx, c)
		if err != nil {
			return err
		}
		if !ours {
			return errors.New("this cluster cannot see images on this machine: set REGISTRY=registry.example.com/path to a registry that it pulls from")
		}
	}
	absent, err := missing(ctx, c, built)
	if err != nil || len(absent) == 0 {
		return err
	}
	args := []string{"load"}
	for _, i := range absent {
		args = append(args, i.Archive)
	}
	return t.run(ctx, shortTimeout, args...)
}

func (t Target) push(ctx context.Context, built []images.Image) error {
	for _, i := range built {
		img, err := i.Open()
		if err != nil {
			return err
		}
		if err := image.Push(ctx, i.Reference(t.Registry), img); err != nil {
			return err
		}
	}
	return nil
}

// isLocal says whether the user's kubeconfig names the cluster of our own.
func (t Target) isLocal(ctx context.Context, c *kube.Cluster) (bool, error) {
	path, err := command.Output(ctx, t.cluster(shortTimeout, "kubeconfig"))
	if err != nil {
		return false, fmt.Errorf("looking for the local cluster: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return false, nil //nolint:nilerr // no such file: no local cluster
	}
	local, err := kube.Connect(path)
	if err != nil {
		return false, err
	}
	return local.Host == c.Host, nil
}

// missing returns the images that no node has said to hold. Tags are made of
// content, so the same tag is the same image.
func missing(ctx context.Context, c *kube.Cluster, built []images.Image) ([]images.Image, error) {
	var nodes corev1.NodeList
	if err := c.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing the nodes: %w", err)
	}
	if len(nodes.Items) != 1 {
		return built, nil
	}
	var held []string
	for _, i := range nodes.Items[0].Status.Images {
		held = append(held, i.Names...)
	}
	return slices.DeleteFunc(slices.Clone(built), func(i images.Image) bool {
		return slices.Contains(held, i.Reference(""))
	}), nil
}

// run runs the cluster command with its progress shown.
func (t Target) run(ctx context.Context, timeout time.Duration, args ...string) error {
	c := t.cluster(timeout, args...)
	c.Output = t.Progress
	if err := command.Run(ctx, c); err != nil {
		return fmt.Errorf("cluster %s failed, see above: %w", strings.Join(args[:1], ""), err)
	}
	return nil
}

func (t Target) cluster(timeout time.Duration, args ...string) command.Command {
	return command.Command{
		Args: append([]string{"go", "run", "./cmd/cluster"}, args...),
		Dir:  filepath.Join(t.Root, "hack", "cluster"), Timeout: timeout,
	}
}
