package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weft-run/weft/hack/dev/internal/images"
	"github.com/weft-run/weft/hack/dev/internal/progress"
	"github.com/weft-run/weft/hack/dev/internal/release"
	"github.com/weft-run/weft/hack/dev/internal/target"
)

// environment is the development environment: a cluster and what is in it.
type environment struct {
	config   config
	progress *progress.Printer
	target   target.Target
	images   images.Builder
}

func newEnvironment(c config, log io.Writer) *environment {
	return &environment{
		config:   c,
		progress: progress.New(log),
		target:   target.Target{Root: c.Root, Current: c.Current, Registry: c.Registry, Progress: log},
		images:   images.Builder{Root: c.Root, Cache: c.Cache},
	}
}

// helm returns the caller of Helm for the cluster of a kubeconfig.
func (e *environment) helm(kubeconfig string) release.Helm {
	return release.Helm{Program: e.config.Helm, Kubeconfig: kubeconfig, Root: e.config.Root}
}

// kubeconfig prints where the cluster's kubeconfig is.
func (e *environment) kubeconfig(ctx context.Context, out io.Writer) error {
	path, err := e.target.Kubeconfig(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, path)
	return nil
}

// locked keeps a second "up" or "down" out until the first has ended. The lock
// is the kernel's, so a killed process leaves none behind.
func (e *environment) locked(ctx context.Context, do func() error) error {
	if err := os.MkdirAll(e.config.Cache, 0o755); err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(e.config.Cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the lock: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if err := e.lock(ctx, f); err != nil {
		return err
	}
	return do()
}

// lock waits for the lock, looking twice a second.
func (e *environment) lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("taking the lock: %w", err)
		}
		if first {
			e.progress.Say("another make up or make down is running; waiting for it to end")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lock: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
