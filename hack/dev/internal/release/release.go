// Package release installs the chart with Helm.
package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/hack/dev/internal/command"
	"github.com/weft-run/weft/hack/dev/internal/kube"
	"github.com/weft-run/weft/hack/dev/manifests"
)

// Name of the release.
const Name = "weft"

// Time limits: of Helm with the hook that prepares the database, and of the
// whole call.
const (
	hookTimeout = "5m0s"
	callTimeout = 6 * time.Minute
)

// Helm calls the helm program.
type Helm struct {
	Program    string
	Kubeconfig string
	Root       string // of the repository
}

// Chart is the folder of the chart.
func (h Helm) Chart() string { return filepath.Join(h.Root, "charts", "weft") }

// ApplyCRDs brings the kinds up to date; Helm itself never changes a CRD that
// exists.
func (h Helm) ApplyCRDs(ctx context.Context, c *kube.Cluster) error {
	files, err := filepath.Glob(filepath.Join(h.Chart(), "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, fmt.Errorf("%s holds no crds", h.Chart()))
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("reading a CRD: %w", err)
		}
		objects, err := manifests.Decode(text)
		if err != nil {
			return err
		}
		if err := c.ApplyAll(ctx, objects); err != nil {
			return err
		}
	}
	return nil
}

// Install installs or upgrades the release.
func (h Helm) Install(ctx context.Context, c *kube.Cluster, values map[string]any) error {
	if err := unlock(ctx, c); err != nil {
		return err
	}
	data, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("encoding the values: %w", err)
	}
	file, err := os.CreateTemp("", "weft-values-*.json")
	if err != nil {
		return fmt.Errorf("making a file for the values: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // a temporary file
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the values: %w", err)
	}
	return h.run(ctx, "upgrade", Name, h.Chart(), "--install", "--skip-crds", "--values", file.Name(), "--timeout", hookTimeout)
}

// Uninstall removes the release.
func (h Helm) Uninstall(ctx context.Context) error {
	return h.run(ctx, "uninstall", Name, "--ignore-not-found", "--timeout", hookTimeout)
}

func (h Helm) run(ctx context.Context, args ...string) error {
	args = append([]string{h.Program, "--namespace", manifests.System, "--kubeconfig", h.Kubeconfig}, args...)
	return command.Run(ctx, command.Command{Args: args, Timeout: callTimeout})
}

// unlock removes the mark that a Helm which was killed half-way leaves behind,
// and which would make every later one refuse to work.
func unlock(ctx context.Context, c *kube.Cluster) error {
	selector, err := labels.Parse("owner=helm,name=" + Name + ",status in (pending-install,pending-upgrade,pending-rollback)")
	if err != nil {
		return fmt.Errorf("selecting unfinished releases: %w", err)
	}
	err = c.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(manifests.System), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return fmt.Errorf("removing unfinished releases: %w", err)
	}
	return nil
}
