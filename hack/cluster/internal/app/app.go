// Package app is the command line: it finds the directories, chooses the kind
// of cluster and calls the package that does the work.
package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weft-run/weft/hack/cluster/internal/build"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/local"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
)

const usage = `usage: cluster [--source DIR] COMMAND

  up            make the cluster, or repair it; does nothing when it is healthy
  down          remove the cluster and all that it left on the machine
  status        say what runs
  kubeconfig    print the path of the kubeconfig
  assets        build kube-apiserver, etcd and kubectl if needed and print their
                directory, which is a valid KUBEBUILDER_ASSETS
  load TAR...   import image archives into the cluster

A working Docker daemon means a kind cluster, otherwise a local node is made.
CLUSTER=current uses the cluster of the current kubeconfig and makes none.
`

// errUsage asks the caller to print the usage.
var errUsage = errors.New("unknown command")

// environment is what every command needs.
type environment struct {
	getenv   func(string) string
	state    layout.State
	cache    layout.Cache
	progress *progress.Printer
	builder  build.Builder
	stdout   io.Writer
}

// Run executes one command.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, getenv func(string) string) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) } // nobody is left to tell
	source := flags.String("source", "", "directory hack/cluster of the checkout (default: found from the working directory)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	env, err := newEnvironment(stdout, stderr, getenv, *source)
	if err != nil {
		return err
	}
	err = dispatch(ctx, env, flags.Arg(0), flags.Args()[min(1, flags.NArg()):])
	if errors.Is(err, errUsage) {
		flags.Usage()
	}
	return err
}

func newEnvironment(stdout, stderr io.Writer, getenv func(string) string, source string) (environment, error) {
	state, cache, err := layout.FromEnvironment(getenv)
	if err != nil {
		return environment{}, err
	}
	printer := progress.New(stderr)
	return environment{
		getenv:   getenv,
		state:    state,
		cache:    cache,
		progress: printer,
		builder:  build.Builder{Source: source, Cache: cache, Progress: printer},
		stdout:   stdout,
	}, nil
}

// dispatch runs the command. The supervisor comes first: it must not depend on
// anything but its state directory.
func dispatch(ctx context.Context, env environment, command string, args []string) error {
	switch command {
	case local.SuperviseCommand:
		return local.Supervise(ctx, env.state)
	case "assets":
		return assets(ctx, env)
	case "down":
		return down(ctx, env)
	case "up":
		return withSource(ctx, env, func(c cluster) error { return c.Up(ctx) })
	case "status":
		return withCluster(ctx, env, func(c cluster) error { return c.Status(ctx, env.stdout) })
	case "load":
		return withCluster(ctx, env, func(c cluster) error { return c.Load(ctx, args) })
	case "kubeconfig":
		return withCluster(ctx, env, func(c cluster) error { return printKubeconfig(env, c) })
	default:
		return fmt.Errorf("%w %q", errUsage, command)
	}
}

func withSource(ctx context.Context, env environment, do func(cluster) error) error {
	if err := env.findSource(); err != nil {
		return err
	}
	return withCluster(ctx, env, do)
}

func withCluster(ctx context.Context, env environment, do func(cluster) error) error {
	chosen, err := choose(ctx, env)
	if err != nil {
		return err
	}
	return do(chosen)
}

func printKubeconfig(env environment, c cluster) error {
	path, err := c.Kubeconfig()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, path)
	return err
}

// assets prints the directory of the control plane's programs.
func assets(ctx context.Context, env environment) error {
	if err := env.findSource(); err != nil {
		return err
	}
	dir, err := env.builder.Node(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, dir)
	return err
}

// findSource looks for hack/cluster in the working directory and above it.
func (e *environment) findSource() error {
	if e.builder.Source != "" {
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find hack/cluster: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		for _, candidate := range []string{at, filepath.Join(at, "hack", "cluster")} {
			if _, err := os.Stat(filepath.Join(candidate, "cmd", "node", "go.mod")); err == nil {
				e.builder.Source = candidate
				return nil
			}
		}
		if at == filepath.Dir(at) {
			return fmt.Errorf("no hack/cluster in %s or above it; run inside of the checkout or give --source", dir)
		}
	}
}
