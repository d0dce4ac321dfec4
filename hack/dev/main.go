// Command dev brings Weft up on a cluster for development and trial, and takes
// it down again. The Makefile calls it.
//
//	dev up          cluster, images, Postgres and Redis, chart; waits until all is ready
//	dev down        removes all of that
//	dev url         prints the address of the running portal
//	dev kubeconfig  prints the path of the cluster's kubeconfig
//
// Settings come from the environment: CLUSTER, REGISTRY, PUBLIC_URL,
// GATEWAY_URL, POSTGRES_IMAGE, REDIS_IMAGE, HELM (see make help).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The client would otherwise complain that nobody reads its log.
	ctrllog.SetLogger(logr.Discard())
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "weft:", err)
		os.Exit(1)
	}
}

// run carries out one command. What a script may want goes to out, everything
// that is for a person to log.
func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: dev up | down | url | kubeconfig")
	}
	config, err := fromEnvironment(os.Getenv)
	if err != nil {
		return err
	}
	e := newEnvironment(config, log)
	switch args[0] {
	case "up":
		return e.locked(ctx, func() error { return e.up(ctx, out) })
	case "down":
		return e.locked(ctx, func() error { return e.down(ctx) })
	case "url":
		return e.url(ctx, out)
	case "kubeconfig":
		return e.kubeconfig(ctx, out)
	}
	return fmt.Errorf("unknown command %q", args[0])
}
