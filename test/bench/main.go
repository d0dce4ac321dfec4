// Bench measures what the promises of docs/benchmarks.md speak of, and writes
// that page. Rates are compared with peers driven in the same run on the same
// machine; they are figures to read, not a test to pass.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
)

// options of one run.
type options struct {
	Kubeconfig, Portal, Report string
	Rounds                     int
	Length                     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig of the cluster (make -s kubeconfig)")
	flag.StringVar(&o.Portal, "portal", "", "address of the portal (make -s url)")
	flag.StringVar(&o.Report, "report", "docs/benchmarks.md", "page to write")
	flag.IntVar(&o.Rounds, "rounds", 3, "rounds of each throughput measurement")
	flag.DurationVar(&o.Length, "length", 10*time.Second, "length of a round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	cluster, err := connect(o.Kubeconfig)
	if err != nil {
		return err
	}
	flow, err := expose(ctx, cluster, o.Portal)
	if err != nil {
		return fmt.Errorf("exposing the benchmark's flow: %w", err)
	}
	figures := &figures{Options: o}
	defer func() {
		if err := flow.Portal.DeleteAccount(context.WithoutCancel(ctx)); err != nil {
			fmt.Fprintln(os.Stderr, "bench: deleting the account:", err)
		}
	}()
	if figures.Memory, err = idleMemory(ctx, cluster, flow); err != nil {
		return err
	}
	if figures.Peers, err = throughput(ctx, o, flow.Peer); err != nil {
		return err
	}
	if figures.Apply, err = applyToReady(ctx, cluster, flow.Key.Namespace); err != nil {
		return err
	}
	if figures.Save, err = saveToServing(ctx, cluster, flow.Portal, flow.ID, flow.Key); err != nil {
		return err
	}
	return figures.write(o.Report)
}

// throughput starts the peers that need no cluster, and drives all of them.
func throughput(ctx context.Context, o options, gateway *peer) ([]*peer, error) {
	folder, err := os.MkdirTemp("", "weft-bench")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the peers: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	bare, a, err := startBare(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	alone, b, err := startRuntime(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer alone.stop()
	nodeRED, d, err := startNodeRED(ctx, folder)
	if err != nil {
		return nil, err
	}
	defer nodeRED.stop()
	peers := []*peer{a, b, gateway, d}
	for _, p := range peers {
		headers, err := p.Headers()
		if err != nil {
			return nil, err
		}
		if err := awaitAnswer(ctx, p.URL, headers, time.Minute); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return peers, measure(ctx, peers, o.Rounds, o.Length)
}

// flowsForMemory is how many flows the operator has to hold when its memory is
// measured.
const flowsForMemory = 10

// memory in bytes, at rest.
type memory struct{ Runtime, Portal, Gateway, Operator int64 }

// idleMemory measures the pods at rest, with ten flows in the cluster.
func idleMemory(ctx context.Context, cluster ctrl.Client, flow *exposed) (memory, error) {
	var made []*v1alpha1.Flow
	for i := range flowsForMemory - 1 {
		extra := &v1alpha1.Flow{Spec: helloFlow()}
		extra.Name, extra.Namespace = fmt.Sprintf("bench-memory-%d", i), flow.Key.Namespace
		if err := cluster.Create(ctx, extra); err != nil {
			return memory{}, fmt.Errorf("creating flow %s: %w", extra.Name, err)
		}
		made = append(made, extra)
	}
	for _, extra := range made {
		if _, err := awaitFlow(ctx, cluster, ctrl.ObjectKeyFromObject(extra), settled); err != nil {
			return memory{}, err
		}
	}
	result, err := readMemory(ctx, cluster, flow)
	for _, extra := range made {
		if deleteErr := cluster.Delete(ctx, extra); deleteErr != nil && err == nil {
			err = fmt.Errorf("deleting flow %s: %w", extra.Name, deleteErr)
		}
	}
	return result, err
}

// readMemory takes the largest pod of each program.
func readMemory(ctx context.Context, cluster ctrl.Client, flow *exposed) (memory, error) {
	var result memory
	system := ctrl.InNamespace(systemNamespace)
	for _, part := range []struct {
		into    *int64
		options []ctrl.ListOption
	}{
		{&result.Runtime, []ctrl.ListOption{ctrl.InNamespace(flow.Key.Namespace), ctrl.HasLabels{"weft.run/flow"}}},
		{&result.Portal, []ctrl.ListOption{system, ctrl.MatchingLabels{"app.kubernetes.io/name": "weft-portal"}}},
		{&result.Gateway, []ctrl.ListOption{system, ctrl.MatchingLabels{"app.kubernetes.io/name": "weft-gateway"}}},
		{&result.Operator, []ctrl.ListOption{system, ctrl.MatchingLabels{"app.kubernetes.io/name": "weft-operator"}}},
	} {
		sizes, err := containerMemory(ctx, cluster, part.options...)
		if err != nil {
			return memory{}, err
		}
		if len(sizes) == 0 {
			return memory{}, fmt.Errorf("no running pod for %v", part.options)
		}
		*part.into = sizes[len(sizes)-1]
	}
	return result, nil
}
