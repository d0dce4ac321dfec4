// Command cluster makes, describes and removes the Kubernetes cluster that Weft
// is developed and tested on.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/weft-run/weft/hack/cluster/internal/app"
	"github.com/weft-run/weft/hack/cluster/internal/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The node's tools are in directories that are often not in root's PATH.
	if err := os.Setenv("PATH", host.Path(os.Getenv("PATH"))); err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1) //nolint:gocritic // nothing is running yet
	}
	if err := app.Run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		stop()
		os.Exit(1)
	}
}
