package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/weft-run/weft/hack/cluster/internal/current"
	"github.com/weft-run/weft/hack/cluster/internal/host"
	"github.com/weft-run/weft/hack/cluster/internal/kindmode"
	"github.com/weft-run/weft/hack/cluster/internal/local"
)

// cluster is what every kind of cluster can do.
type cluster interface {
	// Up makes it or repairs it, and returns when pods can be created.
	Up(ctx context.Context) error
	// Down removes it and succeeds when there is none.
	Down(ctx context.Context) error
	// Status writes what runs, and fails when it cannot be used.
	Status(ctx context.Context, out io.Writer) error
	// Kubeconfig returns the path of the administrator's kubeconfig.
	Kubeconfig() (string, error)
	// Load imports image archives.
	Load(ctx context.Context, archives []string) error
}

// modeVariable chooses the kind of cluster.
const modeVariable = "CLUSTER"

// choose picks the cluster that the environment asks for. Without a wish, a
// local cluster that exists stays in use, whatever became of Docker.
func choose(ctx context.Context, env environment) (cluster, error) {
	switch mode := env.getenv(modeVariable); mode {
	case "current":
		return env.current(), nil
	case "kind":
		return env.kind(), nil
	case "local":
		return env.local(), nil
	case "":
		if !env.local().Exists() && host.DockerWorks(ctx) {
			return env.kind(), nil
		}
		return env.local(), nil
	default:
		return nil, fmt.Errorf("%s=%q is none of: current, kind, local", modeVariable, mode)
	}
}

// down removes every cluster that is ours.
func down(ctx context.Context, env environment) error {
	if env.getenv(modeVariable) != "" {
		return withCluster(ctx, env, func(c cluster) error { return c.Down(ctx) })
	}
	var failures error
	if env.local().Exists() {
		failures = env.local().Down(ctx)
	}
	if host.DockerWorks(ctx) {
		failures = errors.Join(failures, env.kind().Down(ctx))
	}
	return failures
}

func (e environment) local() local.Cluster {
	return local.Cluster{State: e.state, Cache: e.cache, Builder: e.builder, Progress: e.progress}
}

func (e environment) kind() kindmode.Cluster {
	return kindmode.Cluster{Cache: e.cache, Progress: e.progress}
}

func (e environment) current() current.Cluster {
	return current.Cluster{Getenv: e.getenv, Kubectl: func(ctx context.Context) (string, error) {
		if err := e.findSource(); err != nil {
			return "", err
		}
		dir, err := e.builder.Node(ctx)
		return filepath.Join(dir, "kubectl"), err
	}}
}
