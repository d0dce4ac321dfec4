// Package build compiles the cluster's programs once per machine and keeps them
// in the cache, keyed by everything that went into them.
package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/lock"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// Time limits: the first build of Kubernetes takes 6 to 9 minutes on two cores.
const (
	compileTimeout = 45 * time.Minute
	lockTimeout    = 45 * time.Minute
)

// kept is how many builds of one program stay in the cache.
const kept = 3

// Builder makes artifacts from the sources in Source, which is hack/cluster.
type Builder struct {
	Source   string
	Cache    layout.Cache
	Progress *progress.Printer
}

// program is one Go program and what becomes of it.
type program struct {
	name    string
	what    string // for the progress line
	dir     string // its directory below Source
	ldflags string
	// finish turns the compiled program in dir into the artifact.
	finish func(dir, binary string) error
}

// Programs of the node binary that clients of the cluster or of envtest call by
// name. The others are found by the first argument.
var assets = []string{"etcd", "kube-apiserver", "kubectl"}

// Node builds the binary with all components and returns its directory, which
// is a valid KUBEBUILDER_ASSETS.
func (b Builder) Node(ctx context.Context) (string, error) {
	version := "k8s.io/component-base/version"
	return b.ensure(ctx, program{
		name: "node",
		what: "building Kubernetes " + layout.KubernetesVersion + " and etcd (about 8 minutes on 2 cores, once per machine)",
		dir:  "cmd/node",
		ldflags: strings.Join([]string{
			"-X", version + ".gitVersion=" + layout.KubernetesVersion,
			"-X", version + ".gitTreeState=clean",
		}, " "),
		finish: link,
	})
}

// CoreDNS builds an archive with the CoreDNS image and returns its path.
func (b Builder) CoreDNS(ctx context.Context) (string, error) {
	dir, err := b.ensure(ctx, program{
		name:   "coredns",
		what:   "building CoreDNS (about 2 minutes on 2 cores, once per machine)",
		dir:    "coredns",
		finish: packImage(layout.CoreDNSImage),
	})
	return filepath.Join(dir, archive), err
}

// Pause builds an archive with the pause image and returns its path.
func (b Builder) Pause(ctx context.Context) (string, error) {
	dir, err := b.ensure(ctx, program{
		name:   "pause",
		what:   "building the pause image",
		dir:    "cmd/pause",
		finish: packImage(layout.PauseImage),
	})
	return filepath.Join(dir, archive), err
}

// link puts a symlink for each of the assets next to the node binary.
func link(dir, binary string) error {
	for _, name := range assets {
		if err := os.Symlink(filepath.Base(binary), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	return nil
}

// ensure returns the directory of the program's artifact and builds it when the
// cache does not have it.
func (b Builder) ensure(ctx context.Context, p program) (string, error) {
	key, err := b.key(ctx, p)
	if err != nil {
		return "", fmt.Errorf("find the cache key of %s: %w", p.name, err)
	}
	dir := b.Cache.Build(p.name + "-" + key)
	if touch(dir) == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the build cache: %w", err)
	}
	held, err := lock.Take(ctx, b.Cache.Build(p.name+".lock"), lockTimeout, func() {
		b.Progress.Say("waiting: another process is building %s", p.name)
	})
	if err != nil {
		return "", err
	}
	defer held.Release()
	if touch(dir) == nil { // built while we waited
		return dir, nil
	}
	err = b.Progress.Step(ctx, p.what, func(ctx context.Context, detail *progress.Detail) error {
		return b.compile(ctx, p, dir, detail)
	})
	if err != nil {
		return "", err
	}
	return dir, b.prune(p.name)
}

// touch marks a cached artifact as used; it fails when there is none.
func touch(dir string) error {
	now := time.Now()
	return os.Chtimes(dir, now, now)
}

// compile builds in a directory of its own and moves it into place at the end,
// so that a build that was killed leaves nothing that looks complete.
func (b Builder) compile(ctx context.Context, p program, dir string, detail *progress.Detail) error {
	work := b.Cache.Build("." + p.name + ".tmp") // one at a time: we hold the lock
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return fmt.Errorf("make a directory for the build: %w", err)
	}
	binary := filepath.Join(work, p.name)
	counter, stop := countLines(detail)
	_, err := run.Output(ctx, run.Cmd{
		Name:      "go",
		Args:      append([]string{"build", "-v", "-o", binary}, append(flags(p), ".")...),
		Dir:       filepath.Join(b.Source, p.dir),
		Env:       environment(),
		Timeout:   compileTimeout,
		Watch:     counter,
		DieWithUs: true,
	})
	stop()
	if err != nil {
		return err
	}
	if err := p.finish(work, binary); err != nil {
		return err
	}
	if err := os.Rename(work, dir); err != nil {
		return fmt.Errorf("move the build into the cache: %w", err)
	}
	return nil
}

// flags are the flags of go build; they are part of the key.
func flags(p program) []string {
	return []string{"-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + p.ldflags)}
}

// environment makes the result independent of the caller's settings. The
// programs are static, as they also run inside of empty images.
func environment() []string {
	return []string{"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=" + runtime.GOOS, "GOARCH=" + runtime.GOARCH}
}

// countLines shows how many packages `go build -v` has named.
func countLines(detail *progress.Detail) (w io.Writer, stop func()) {
	reader, writer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(reader)
		for n := 1; lines.Scan(); n++ {
			detail.Set("%d packages, now %s", n, lines.Text())
		}
		// A line too long for the scanner must not block the compiler.
		_, _ = io.Copy(io.Discard, reader)
	}()
	return writer, func() {
		_ = writer.Close() // never fails
		<-done
	}
}

// prune removes the builds that were not used for the longest time.
func (b Builder) prune(name string) error {
	dirs, err := filepath.Glob(b.Cache.Build(name + "-*"))
	if err != nil {
		return fmt.Errorf("list the build cache: %w", err)
	}
	used := map[string]time.Time{}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list the build cache: %w", err)
		}
		used[dir] = info.ModTime()
	}
	for _, dir := range oldest(used, kept) {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("prune the build cache: %w", err)
		}
	}
	return nil
}
