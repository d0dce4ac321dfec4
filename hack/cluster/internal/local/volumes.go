package local

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/manifests"
)

// recycleEvery is how often released volumes are looked for.
const recycleEvery = 3 * time.Second

// recycle empties the volumes whose claim was deleted and offers them again,
// until ctx ends. Kubernetes has nobody who would do it for local volumes.
func recycle(ctx context.Context, logger *slog.Logger, state layout.State, api *kube.Client) {
	ticker := time.NewTicker(recycleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		released, err := api.ReleasedVolumes(ctx)
		if err != nil {
			continue // the API server is starting or stopping
		}
		for _, volume := range released {
			if err := recycleOne(ctx, state, api, volume); err != nil {
				logger.Error("cannot recycle a volume", "volume", volume.Name, "error", err)
				continue
			}
			logger.Info("volume recycled", "volume", volume.Name)
		}
	}
}

// recycleOne empties a volume's directory. The path comes from an object that a
// user of the cluster can write, so it must be one of ours.
func recycleOne(ctx context.Context, state layout.State, api *kube.Client, volume kube.Volume) error {
	if !slices.Contains(manifests.Volumes(state), volume) {
		return fmt.Errorf("%s is not a directory of this cluster", volume.Path)
	}
	if err := empty(volume.Path); err != nil {
		return err
	}
	return api.OfferVolume(ctx, volume.Name)
}

// empty removes what is in a directory but not the directory itself.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("empty a volume: %w", err)
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("empty a volume: %w", err)
		}
	}
	return nil
}
