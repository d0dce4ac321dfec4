// Package current stands for the cluster of the caller's kubeconfig: it is used
// as it is, and nothing is made or removed.
package current

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// Cluster is the cluster that kubectl would use.
type Cluster struct {
	Getenv func(string) string
	// Kubectl returns the path of kubectl; it may have to be built.
	Kubectl func(ctx context.Context) (string, error)
}

// Up checks that the cluster answers.
func (c Cluster) Up(ctx context.Context) error {
	_, err := c.version(ctx)
	return err
}

// Down does nothing: the cluster is not ours.
func (Cluster) Down(context.Context) error { return nil }

// Status writes the cluster's version.
func (c Cluster) Status(ctx context.Context, out io.Writer) error {
	version, err := c.version(ctx)
	if err != nil {
		return err
	}
	_, err = out.Write(version)
	return err
}

func (c Cluster) version(ctx context.Context) ([]byte, error) {
	kubeconfig, err := c.Kubeconfig()
	if err != nil {
		return nil, err
	}
	kubectl, err := c.Kubectl(ctx)
	if err != nil {
		return nil, err
	}
	out, err := run.Output(ctx, run.Cmd{
		Name: kubectl, Args: []string{"--kubeconfig", kubeconfig, "version", "--request-timeout=20s"}, Timeout: 30 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("the cluster of %s does not answer: %w", kubeconfig, err)
	}
	return out, nil
}

// Kubeconfig returns the file that kubectl would read first.
func (c Cluster) Kubeconfig() (string, error) {
	if files := filepath.SplitList(c.Getenv("KUBECONFIG")); len(files) > 0 {
		return files[0], nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the kubeconfig: %w (set KUBECONFIG)", err)
	}
	path := filepath.Join(home, ".kube", "config")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("CLUSTER=current needs a kubeconfig: %w (set KUBECONFIG)", err)
	}
	return path, nil
}

// Load refuses: only a registry reaches the nodes of an unknown cluster.
func (Cluster) Load(context.Context, []string) error {
	return errors.New("images cannot be loaded into the cluster of a kubeconfig; push them to a registry it can pull from")
}
