package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/test/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
)

// samples of each latency figure.
const samples = 20

// latencies are sorted durations.
type latencies []time.Duration

// At is the value below which the fraction of the samples lies.
func (l latencies) At(fraction float64) time.Duration {
	return l[min(len(l)-1, int(fraction*float64(len(l))))]
}

// applyToReady creates flows one after the other and times each until Ready.
func applyToReady(ctx context.Context, cluster ctrl.Client, namespace string) (latencies, error) {
	var all latencies
	for i := range samples {
		flow := &v1alpha1.Flow{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("bench-apply-%d", i), Namespace: namespace},
			Spec:       helloFlow(),
		}
		began := time.Now()
		if err := cluster.Create(ctx, flow); err != nil {
			return nil, fmt.Errorf("creating flow %s: %w", flow.Name, err)
		}
		if _, err := awaitFlow(ctx, cluster, ctrl.ObjectKeyFromObject(flow), settled); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
		fmt.Fprintf(os.Stderr, "apply to Ready %2d: %s\n", i+1, all[i].Round(time.Millisecond))
		if err := cluster.Delete(ctx, flow); err != nil {
			return nil, fmt.Errorf("deleting flow %s: %w", flow.Name, err)
		}
	}
	slices.Sort(all)
	return all, nil
}

// saveToServing saves a flow in the portal again and again, and times each
// until the new revision serves.
func saveToServing(ctx context.Context, cluster ctrl.Client, portal *client.Portal, id string, key ctrl.ObjectKey) (latencies, error) {
	var all latencies
	for i := range samples {
		before, err := awaitFlow(ctx, cluster, key, settled)
		if err != nil {
			return nil, err
		}
		flow, err := portal.Flow(ctx, id)
		if err != nil {
			return nil, err
		}
		setTemplate(flow, fmt.Sprintf("Hello, {{ input }}! This is answer %d.", i))
		began := time.Now()
		if err := portal.Save(ctx, flow); err != nil {
			return nil, err
		}
		serving := before.Status.Revision.Serving
		changed := func(f *v1alpha1.Flow) bool { return settled(f) && f.Status.Revision.Serving != serving }
		if _, err := awaitFlow(ctx, cluster, key, changed); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
		fmt.Fprintf(os.Stderr, "save to serving %2d: %s\n", i+1, all[i].Round(time.Millisecond))
	}
	slices.Sort(all)
	return all, nil
}

// setTemplate changes the text of the flow's text-template component.
func setTemplate(flow client.Flow, text string) {
	components, ok := flow["components"].([]any)
	if !ok {
		return
	}
	for _, item := range components {
		if component, ok := item.(map[string]any); ok && component["type"] == "text-template" {
			component["params"] = map[string]any{"text": text}
		}
	}
}
