// Command run runs Weft's tests and counts them. The Makefile calls it.
//
//	run deps         installs the Debian packages that tests need
//	run unit         Go tests of all modules, without servers
//	run integration  the same for the product, with real Postgres, Redis and kube-apiserver
//	run e2e          end to end on the cluster that "make up" started
//	run all          lint, verify and all of the above, on a cluster that it brings
//	                 up; with CI set in the environment on a new one
//
// Its last line is the count: "N passed, N failed". It exits with 1 when
// anything failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/weft-run/weft/hack/test/internal/results"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		os.Exit(1)
	}
}

// run carries out one command.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: run deps | unit | integration | e2e | all")
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	s := &suite{root: root, out: out}
	plans := map[string][]step{
		"unit":        {{"unit tests", s.unit}},
		"integration": {{"integration tests", s.integration}},
		"e2e":         {{"end-to-end tests", s.endToEnd}},
		"all": {
			{"lint", s.makes("lint")},
			{"generated files", s.makes("verify")},
			{"tests of the tools", s.tools},
			{"unit and integration tests", s.integration},
			{"cluster", s.makes("up")},
			{"end-to-end tests", s.endToEnd},
		},
	}
	if args[0] == "deps" {
		return installPackages(ctx, out)
	}
	if os.Getenv("CI") != "" {
		// Data of an earlier run would decide who is the first user. On a person's
		// machine they may be dear.
		plans["all"] = append([]step{{"removing an earlier cluster", s.makes("down")}}, plans["all"]...)
	}
	plan, ok := plans[args[0]]
	if !ok {
		return fmt.Errorf("unknown command %q", args[0])
	}
	return s.follow(ctx, plan)
}

// step is a part of a test run.
type step struct {
	name string
	do   func(context.Context) (results.Count, error)
}
