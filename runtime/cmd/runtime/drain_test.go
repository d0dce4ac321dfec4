package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// callFlow calls the URL and gives back its answer.
func callFlow(url string) string {
	return fmt.Sprintf(`{"components":[{"id":"in","type":"input"},{"id":"call","type":"http-request","params":{"url":%q}},{"id":"out","type":"output"}],
		"edges":[{"id":"e1","origin":"in","target":"call"},{"id":"e2","origin":"call","target":"out"}]}`, url)
}

// TestSIGTERMLosesNoRequest sends requests without pause while the program is
// told to end, as the gateway does: over connections that are kept open, and
// no more once the pod says that it is not ready. Each must be answered, also
// the one that is under way for longer than the program takes new ones.
func TestSIGTERMLosesNoRequest(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			close(entered)
			<-release
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(upstream.Close)
	p := start(t, callFlow(upstream.URL), "WEFT_EGRESS_ALLOW=127.0.0.1", "WEFT_DRAIN_DELAY=300ms")

	slow := make(chan error, 1)
	go func() { slow <- p.try() }()
	<-entered

	var elsewhere atomic.Bool
	var answered, failed atomic.Int64
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for !elsewhere.Load() {
				if err := p.try(); err != nil {
					failed.Add(1)
					t.Errorf("a request was lost: %v", err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 50 && failed.Load() == 0 {
		if !p.isReady(t) {
			t.Fatal("not ready before the signal")
		}
	}
	before := answered.Load()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("sending the signal: %v", err)
	}
	for p.isReady(t) {
		// The signal is under way.
	}
	during := answered.Load()
	for answered.Load() < during+50 && failed.Load() == 0 {
		if p.isReady(t) {
			t.Fatal("ready again")
		}
	}
	elsewhere.Store(true)
	senders.Wait()
	// The listener is closed by now or soon; the run under way goes on.
	for p.listens() {
		if p.isReady(t) {
			t.Fatal("ready again")
		}
	}
	close(release)
	if err := <-slow; err != nil {
		t.Errorf("the run under way was lost: %v", err)
	}
	if err := p.waitEnd(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
	t.Logf("%d requests answered before the signal, %d in all, %d lost", before, answered.Load(), failed.Load())
}

// try sends one request and wants an answer.
func (p *process) try() error {
	resp, err := p.client.Do(p.request(p.t.Context(), strings.NewReader(`{"input":1}`)))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return err
}

// isReady asks /readyz. A program that has ended is not ready.
func (p *process) isReady(t *testing.T) bool {
	t.Helper()
	resp, err := p.client.Get(p.metrics + "/readyz")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false
	}
	return resp.StatusCode == http.StatusOK
}

// listens says whether new connections are taken.
func (p *process) listens() bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(p.runs + "/")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}

func TestABadRevisionIsTold(t *testing.T) {
	p := launch(t, `{"components":[{"id":"x","type":"no-such"},{"id":"y","type":"if"}]}`)
	err := p.waitEnd()
	if err == nil {
		t.Fatal("the program went on")
	}
	lines := strings.Split(p.log(), "\n")
	for _, want := range []string{`"component":"x"`, `"component":"y"`} {
		if !strings.Contains(p.log(), want) {
			t.Errorf("%s is not in the log", want)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "the runtime cannot go on") || !strings.Contains(last, "errors; the first") {
		t.Errorf("the last line is %s", last)
	}
}

func TestABadEnvironmentIsTold(t *testing.T) {
	p := launch(t, textFlow, "WEFT_MODE=sideways", "WEFT_AUDIENCE=", "WEFT_EGRESS_ALLOW=http://x", "WEFT_DRAIN_DELAY=-1s")
	if err := p.waitEnd(); err == nil {
		t.Fatal("the program went on")
	}
	for _, want := range []string{"WEFT_MODE", "WEFT_AUDIENCE", "WEFT_EGRESS_ALLOW", "WEFT_DRAIN_DELAY"} {
		if !strings.Contains(p.log(), want) {
			t.Errorf("%s is not in the log", want)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	p := start(t, textFlow)
	if status, answer := p.post(`{"input":{"name":"canary"}}`); status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	if status, _ := p.post(`nonsense`); status != http.StatusBadRequest {
		t.Errorf("nonsense: got %d", status)
	}
	for path, wants := range map[string][]string{
		"/healthz": {"ok"}, "/readyz": {"ok"},
		"/metrics": {
			`weft_runs_total{status="succeeded"} 1`, `weft_runs_total{status="failed"} 0`, "weft_runs_in_flight 0",
			`weft_requests_refused_total{reason="request"} 1`, `weft_run_duration_seconds_count{status="succeeded"} 1`,
		},
	} {
		resp, err := p.client.Get(p.metrics + path)
		if err != nil {
			t.Fatalf("asking: %v", err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: got %d, %v", path, resp.StatusCode, err)
		}
		for _, want := range wants {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s lacks %s:\n%s", path, want, body)
			}
		}
		if strings.Contains(string(body), "canary") {
			t.Errorf("%s holds what was sent", path)
		}
	}
	if strings.Contains(p.log(), "canary") {
		t.Error("the log holds what was sent")
	}
}

func TestNothingIsWritten(t *testing.T) {
	dir := t.TempDir()
	p := start(t, textFlow, "TMPDIR="+dir, "HOME="+dir)
	if status, answer := p.post(`{"input":{"name":"Ann"}}`); status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("the program wrote %v (%v)", files, err)
	}
	if links, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)); err == nil && len(links) > 32 {
		t.Errorf("the program holds %d files open", len(links))
	}
}
