package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// TestManyRuns runs one plan many times at once, with steps that fail, panic,
// hang and stream, and callers that go away. Every run ends, and with a sound
// sequence of events.
func TestManyRuns(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	k := &kit{call: map[string]func(context.Context, *catalog.Call) (catalog.Outputs, error){
		"moody": func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
			return moody(ctx, call, release)
		},
	}}
	components := []string{`{"id": "in", "type": "input"}`}
	var edges []string
	for i := range 12 {
		onError := []string{
			`{"action": "Default", "value": 1}`, `{"action": "Route"}`, `{"retry": {"times": 2, "backoff": "1ms"}, "action": "Default"}`, `{"action": "Stop"}`,
		}[min(i%4, 3-i/11)]
		components = append(components, fmt.Sprintf(`{"id": "h%d", "type": "hook", "timeout": "3ms", "params": {"name": "moody"}, "onError": %s}`, i, onError))
		from := "in"
		if i > 2 {
			from = fmt.Sprintf("h%d", rand.IntN(i))
		}
		edges = append(edges, fmt.Sprintf("%s > h%d", from, i))
	}
	components = append(components, `{"id": "out", "type": "output"}`)
	edges = append(edges, "in > out", "h11 > out")
	plan := compile(t, k, flow(t, `{"components": [`+strings.Join(components, ",")+`]}`, edges...))
	leaks := new(Leaks)
	r := New(plan, Options{Leaks: leaks, Limits: Limits{Parallel: 4, Leaked: 1 << 40, RunTimeout: 2 * time.Second}, Test: true})
	r.grace = time.Millisecond
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				oneRun(t, r)
			}
		})
	}
	all.Wait()
	close(release)
	for deadline := time.Now().Add(20 * time.Second); leaks.Count() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d steps still count as leaked", leaks.Count())
		}
		runtime.Gosched()
	}
}

// oneRun runs once; half of the callers go away after some events.
func oneRun(t *testing.T, r *Runner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	patience := rand.IntN(60)
	var rec record
	result := r.Run(ctx, "x", func(e Event) {
		rec.sink(e)
		if len(rec.events) == patience {
			cancel()
		}
	})
	checkEvents(t, rec.events)
	if (result.Status == Succeeded) != (len(result.Errors) == 0) {
		t.Errorf("the run ended %s with errors %v", result.Status, result.Errors)
	}
}

func moody(ctx context.Context, call *catalog.Call, release <-chan struct{}) (catalog.Outputs, error) {
	call.Emit("hm")
	call.AddTokens(1)
	switch rand.IntN(12) {
	case 0:
		return nil, &catalog.Error{Code: v1alpha1.ErrorUpstream, Message: "down"}
	case 1:
		<-ctx.Done()
		return nil, ctx.Err()
	case 2:
		<-release // it does not listen
		call.Emit("late")
		return catalog.Main("late"), nil
	}
	return catalog.Main("fine"), nil
}
