package components_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/guard"
)

func TestMain(m *testing.M) {
	// The engine logs each panic with its stack; there are many here.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// hostileParams are, for each type, params with which it can be run; {{server}}
// stands for the address of a hostile service. Types that reach no service
// lack it.
func hostileParams() map[string]map[string]any {
	const server = "{{server}}"
	return map[string]map[string]any{
		"http-request":  {"url": server + "/"},
		"if":            {"condition": "true"},
		"input":         {},
		"openai-chat":   {"prompt": "Hi", "baseURL": server + "/v1"},
		"output":        {},
		"practice-chat": {"prompt": "Hi"},
		"set-fields":    {"fields": map[string]any{"a": "b"}},
		"text-template": {"text": "Hi"},
	}
}

func paramsFor(componentType, server string) (params map[string]any, reaches bool) {
	params = map[string]any{}
	for name, value := range hostileParams()[componentType] {
		if text, ok := value.(string); ok && strings.Contains(text, "{{server}}") {
			value, reaches = strings.ReplaceAll(text, "{{server}}", server), true
		}
		params[name] = value
	}
	return params, reaches
}

// replaced is the catalogue in which one type does something else.
func replaced(t *testing.T, componentType string, run func(context.Context, *catalog.Call) (catalog.Outputs, error)) *catalog.Catalog {
	t.Helper()
	var list []*catalog.Component
	for _, c := range all(t).All() {
		if c.Type == componentType {
			changed := *c
			changed.Run = run
			c = &changed
		}
		list = append(list, c)
	}
	cat, err := catalog.New(list...)
	if err != nil {
		t.Fatalf("assembling a catalogue: %v", err)
	}
	return cat
}

type noKeys struct{}

func (noKeys) Resolve(context.Context, *v1alpha1.Credential) (catalog.Secret, error) {
	return catalog.NewSecret("sk-test-0123456789"), nil
}

// How long a component may take: those that hang are not waited for.
const (
	patient   = 20 * time.Second
	impatient = 100 * time.Millisecond
)

// runnerOf makes a runner of a flow around the component.
func runnerOf(t *testing.T, cat *catalog.Catalog, c *catalog.Component, params map[string]any, timeout time.Duration) *engine.Runner {
	t.Helper()
	spec, err := flowAround(c, params)
	if err != nil {
		t.Fatalf("making a flow: %v", err)
	}
	spec.Components[0].Timeout = &metav1.Duration{Duration: timeout}
	plan, problems := graph.Compile(spec, cat)
	if len(problems) > 0 {
		t.Fatalf("the flow has problems: %+v", problems)
	}
	allow, err := guard.ParseAllowList([]string{"127.0.0.1"})
	if err != nil {
		t.Fatalf("reading the allow-list: %v", err)
	}
	return engine.New(plan, engine.Options{
		Credentials: noKeys{}, HTTP: guard.NewClient(guard.Options{Allow: allow, MaxResponseBytes: 1 << 20}),
		Limits: engine.Limits{ValueBytes: 1 << 20, RunBytes: 4 << 20, RunTimeout: time.Minute},
	})
}

// bystanders run a flow of their own until stop is called, and want every run
// to succeed soon.
func bystanders(t *testing.T) (stop func()) {
	t.Helper()
	cat := all(t)
	c, _ := cat.Lookup("text-template")
	runner := runnerOf(t, cat, c, map[string]any{"text": "Hi {{ input }}"}, patient)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			ticker := time.NewTicker(time.Millisecond)
			defer ticker.Stop()
			for ctx.Err() == nil {
				<-ticker.C
				began := time.Now()
				result := runner.Run(context.Background(), "x", nil)
				if took := time.Since(began); result.Status != engine.Succeeded || took > 5*time.Second {
					t.Errorf("another run notices: %s after %s: %+v", result.Status, took, result.Errors)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestAFailureStaysWhereItIs holds promise R13 for every type: whatever its
// code does, the run fails with a typed error, others do not notice, and the
// process stays up.
func TestAFailureStaysWhereItIs(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	type body = func(context.Context, *catalog.Call) (catalog.Outputs, error)
	evils := map[string]struct {
		run     body
		timeout time.Duration
		codes   []v1alpha1.ErrorCode
	}{
		"panics": {func(context.Context, *catalog.Call) (catalog.Outputs, error) { panic("canary") }, patient, []v1alpha1.ErrorCode{v1alpha1.ErrorInternal}},
		"fails at run time": {func(_ context.Context, call *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main([]any{}[len(call.Inputs)+1]), nil
		}, patient, []v1alpha1.ErrorCode{v1alpha1.ErrorInternal}},
		"hangs": {func(ctx context.Context, _ *catalog.Call) (catalog.Outputs, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, impatient, []v1alpha1.ErrorCode{v1alpha1.ErrorTimeout}},
		"hangs and does not listen": {func(context.Context, *catalog.Call) (catalog.Outputs, error) {
			<-forever
			return nil, nil
		}, impatient, []v1alpha1.ErrorCode{v1alpha1.ErrorTimeout}},
		"answers hugely": {func(context.Context, *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(strings.Repeat("x", 8<<20)), nil
		}, patient, []v1alpha1.ErrorCode{v1alpha1.ErrorTooLarge}},
		"talks without end": {func(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
			for ctx.Err() == nil {
				call.Emit(strings.Repeat("x", 1000))
			}
			return nil, ctx.Err()
		}, impatient, []v1alpha1.ErrorCode{v1alpha1.ErrorTimeout, v1alpha1.ErrorTooLarge}},
		"fails oddly": {func(context.Context, *catalog.Call) (catalog.Outputs, error) {
			return nil, errors.New("canary")
		}, patient, []v1alpha1.ErrorCode{v1alpha1.ErrorInternal}},
		"gives what is no JSON": {func(context.Context, *catalog.Call) (catalog.Outputs, error) {
			return catalog.Main(make(chan int)), nil
		}, patient, []v1alpha1.ErrorCode{v1alpha1.ErrorInternal}},
	}
	stop := bystanders(t)
	defer stop()
	for _, c := range all(t).All() {
		params, _ := paramsFor(c.Type, "http://127.0.0.1:1")
		for name, evil := range evils {
			result := runnerOf(t, replaced(t, c.Type, evil.run), c, params, evil.timeout).Run(t.Context(), "x", nil)
			expect(t, fmt.Sprintf("%s %s", c.Type, name), result, evil.codes...)
		}
	}
}

func expect(t *testing.T, what string, result engine.Result, codes ...v1alpha1.ErrorCode) {
	t.Helper()
	if result.Status != engine.Failed || len(result.Errors) == 0 {
		t.Errorf("%s: %s with %+v, want a failure", what, result.Status, result.Errors)
		return
	}
	if got := result.Errors[0]; !slices.Contains(codes, got.Code) || got.Component != "x" || got.Message == "" || strings.Contains(got.Message, "canary") {
		t.Errorf("%s: got %+v, want one of %v at x, in words that repeat nothing", what, got, codes)
	}
}

// TestHostileServices holds promise R13 for the types that reach a service, as
// they are.
func TestHostileServices(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/hang/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless/", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/trickle/", func(w http.ResponseWriter, r *http.Request) {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "data: {\"choices\":[]}\n\n"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			<-ticker.C
		}
	})
	mux.HandleFunc("/abort/", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	// A server notices that its client has left once it has read the request.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	stop := bystanders(t)
	defer stop()
	cat := all(t)
	var met int
	for _, c := range cat.All() {
		for path, want := range map[string]struct {
			timeout time.Duration
			code    v1alpha1.ErrorCode
		}{
			"/hang":    {impatient, v1alpha1.ErrorTimeout},
			"/trickle": {impatient, v1alpha1.ErrorTimeout},
			"/endless": {patient, v1alpha1.ErrorTooLarge},
			"/abort":   {patient, v1alpha1.ErrorUpstream},
		} {
			params, reaches := paramsFor(c.Type, server.URL+path)
			if !reaches {
				continue
			}
			met++
			expect(t, c.Type+" "+path, runnerOf(t, cat, c, params, want.timeout).Run(t.Context(), "x", nil), want.code)
		}
	}
	if met == 0 {
		t.Error("no type met the service")
	}
}
