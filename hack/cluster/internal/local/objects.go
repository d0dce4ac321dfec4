package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// Time limits for objects and pods.
const (
	applyTimeout = time.Minute
	applyWithin  = 3 * time.Minute
	usableWithin = 5 * time.Minute
)

// ensureObjects applies the cluster's own objects, unless the same ones were
// applied already and still do their work.
func (c Cluster) ensureObjects(ctx context.Context, spec node.Spec, objects []byte) error {
	api, err := kube.Admin(c.State)
	if err != nil {
		return err
	}
	applied, err := os.ReadFile(c.State.Run("applied"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was applied: %w", err)
	}
	mark := fmt.Appendf(nil, "%x", sha256.Sum256(objects))
	if bytes.Equal(applied, mark) && usable(ctx, api) == nil {
		return c.ensureDNS(ctx, api)
	}
	what := "applying DNS and storage, waiting for the node"
	err = c.Progress.Step(ctx, what, func(ctx context.Context, detail *progress.Detail) error {
		// A new API server refuses some objects until its controllers and
		// roles are there.
		apply := func(ctx context.Context) error {
			if _, err := c.componentsReady(); err != nil {
				return err
			}
			return c.apply(ctx, spec, objects)
		}
		if err := poll(ctx, applyWithin, detail, apply); err != nil {
			return err
		}
		return poll(ctx, usableWithin, detail, func(ctx context.Context) error {
			if _, err := c.componentsReady(); err != nil {
				return err
			}
			return usable(ctx, api)
		})
	})
	if err != nil {
		return err
	}
	if err := c.ensureDNS(ctx, api); err != nil {
		return err
	}
	return proc.WriteFile(c.State.Run("applied"), mark, 0o600)
}

func (c Cluster) apply(ctx context.Context, spec node.Spec, objects []byte) error {
	_, err := run.Output(ctx, run.Cmd{
		Name: spec.Binary,
		Args: []string{
			"kubectl", "--kubeconfig", c.State.Kubeconfig(), "--cache-dir", c.State.Run("kubectl"), "apply",
			"--server-side", "--force-conflicts", "--field-manager=weft-cluster", "-f", "-",
		},
		Stdin:   bytes.NewReader(objects),
		Timeout: applyTimeout,
	})
	return err
}
