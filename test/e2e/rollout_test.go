package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-run/weft/test/client"
)

// greetingFlow is the owner's JSON form of input → text-template → output.
const greetingFlow = `{
  "components": [
    {"id": "start", "type": "input"},
    {"id": "greet", "type": "text-template", "params": {"text": %q}},
    {"id": "end", "type": "output"}
  ],
  "edges": [
    {"id": "e1", "origin": "start", "target": "greet"},
    {"id": "e2", "origin": "greet", "target": "end"}
  ]
}`

func savedFlow(t *testing.T, portal *client.Portal, text string) client.Flow {
	t.Helper()
	flow, err := portal.CreateFlow(t.Context())
	if err != nil {
		t.Fatalf("creating a flow: %v", err)
	}
	return saveText(t, portal, flow, text)
}

// saveText changes what the flow says, and saves it.
func saveText(t *testing.T, portal *client.Portal, flow client.Flow, text string) client.Flow {
	t.Helper()
	if err := json.Unmarshal(fmt.Appendf(nil, greetingFlow, text), &flow); err != nil {
		t.Fatalf("changing the flow: %v", err)
	}
	if err := portal.Save(t.Context(), flow); err != nil {
		t.Fatalf("saving: %v", err)
	}
	saved, err := portal.Flow(t.Context(), flow.ID())
	if err != nil {
		t.Fatalf("reading the saved flow: %v", err)
	}
	return saved
}

// awaitAnswer waits until the flow at its address answers with the text.
func awaitAnswer(t *testing.T, portal *client.Portal, id, credential, want string) string {
	t.Helper()
	var url string
	eventually(t, 2*time.Minute, func() error {
		flow, err := portal.Flow(t.Context(), id)
		if err != nil {
			return err
		}
		if url = flow.URL(); url == "" {
			return fmt.Errorf("the flow has no address yet: %v", flow["status"])
		}
		got := mustCall(t, url, credential, "Ada")
		if got.Result != want {
			return fmt.Errorf("want %q, got %d %s", want, got.Status, got.Body)
		}
		return nil
	})
	return url
}

// load calls an address without pause until it is stopped.
type load struct {
	mu       sync.Mutex
	answers  map[any]int
	failures []string
	wait     sync.WaitGroup
	stop     context.CancelFunc
}

func startLoad(ctx context.Context, url, credential string, workers int) *load {
	ctx, stop := context.WithCancel(ctx)
	l := &load{answers: map[any]int{}, stop: stop}
	for range workers {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				got, err := call(ctx, url, credential, "Ada")
				if ctx.Err() != nil {
					return // stopped by us in the middle of a call
				}
				l.record(got, err)
			}
		})
	}
	return l
}

func (l *load) record(got answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || got.Status != 200 {
		l.failures = append(l.failures, fmt.Sprintf("%v %d %s", err, got.Status, got.Body))
		return
	}
	l.answers[got.Result]++
}

func (l *load) seen(result string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[result]
}

func TestRolloutUnderLoadLosesNoRequest(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	portal := env.account(t)
	flow := savedFlow(t, portal, "one {{ input }}")
	key, err := portal.EndpointKey(t.Context(), flow.ID(), "load")
	if err != nil {
		t.Fatalf("making an endpoint key: %v", err)
	}
	url := awaitAnswer(t, portal, flow.ID(), key, "one Ada")

	l := startLoad(t.Context(), url, key, 4)
	defer l.stop()
	for _, text := range []string{"two", "three"} {
		flow = saveText(t, portal, flow, text+" {{ input }}")
		eventually(t, 2*time.Minute, func() error {
			if l.seen(text+" Ada") < 50 {
				return fmt.Errorf("the new revision has answered %d times", l.seen(text+" Ada"))
			}
			return nil
		})
	}
	// The old pods are drained while the new ones already answer: go on until
	// only the newest revision has a pod.
	_, target, _ := strings.Cut(url, "/f/")
	workspace, name, _ := strings.Cut(target, "/")
	namespace := "weft-ws-" + workspace
	eventually(t, 2*time.Minute, func() error {
		pods := env.kubectl(t, "", "get", "pods", "-n", namespace, "-l", "weft.run/flow="+name, "-o", "name")
		if strings.Count(pods, "pod/") != 1 {
			return fmt.Errorf("pods of two revisions are still there: %s", pods)
		}
		return nil
	})
	l.stop()
	l.wait.Wait()
	if len(l.failures) > 0 {
		t.Errorf("%d of the requests failed, the first: %s", len(l.failures), l.failures[0])
	}
	t.Logf("answers by revision: %v", l.answers)
}
