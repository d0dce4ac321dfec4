package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
)

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		limit   int64
		size    int
		chunked bool
		want    int
	}{
		"AtLimit":          {"As much as is allowed passes.", 100, 100, false, http.StatusOK},
		"OverLimit":        {"One byte more does not.", 100, 101, false, http.StatusRequestEntityTooLarge},
		"ChunkedAtLimit":   {"Also without a length.", 100, 100, true, http.StatusOK},
		"ChunkedOverLimit": {"Whatever the length that is not told.", 100, 101, true, http.StatusRequestEntityTooLarge},
		"LargeAllowed":     {"A flow may allow more than the gateway holds in memory.", 1 << 20, 1 << 20, false, http.StatusOK},
		"LargeOver":        {"With a bound.", 1 << 20, 1<<20 + 1, true, http.StatusRequestEntityTooLarge},
		"DefaultOver":      {"Without a setting it is 1 MiB.", 0, 1<<20 + 1, false, http.StatusRequestEntityTooLarge},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newPod(t, nil)
			w.pods(p)
			w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.MaxBodyBytes = tc.limit })
			var body io.Reader = strings.NewReader(strings.Repeat("x", tc.size))
			if tc.chunked {
				body = io.MultiReader(body) // hides the length
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.front.URL+"/f/acme/hello", body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := newClient().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tc.want {
				t.Errorf("%s\nstatus %d, want %d (%v): %.200s", tc.reason, res.StatusCode, tc.want, err, data)
			}
			if tc.want == http.StatusOK && len(data) != tc.size {
				t.Errorf("%s\n%d bytes came back", tc.reason, len(data))
			}
		})
	}
}

// TestEndlessBody holds a part of promise R15: a gibibyte is refused at the
// limit, not read.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newPod(t, nil)
	w.pods(p)
	w.public(nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent := &counter{left: 1 << 30}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.front.URL+"/f/acme/hello", sent)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := newClient().Do(req); err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	runtime.ReadMemStats(&after)
	if sent.sent > 16<<20 {
		t.Errorf("%d MiB were taken", sent.sent>>20)
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// counter is a long body that knows how much of it was read.
type counter struct{ left, sent int64 }

func (c *counter) Read(p []byte) (int, error) {
	n := min(int64(len(p)), c.left)
	if n == 0 {
		return 0, io.EOF
	}
	c.left -= n
	c.sent += n
	return int(n), nil
}

func TestManyHeaders(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newPod(t, nil)
	w.pods(p)
	w.public(nil)
	raw := "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n"
	if status := w.raw(t, raw+strings.Repeat("X-A: a\r\n", 100)+"\r\n"); status != http.StatusOK {
		t.Errorf("a hundred headers: %d", status)
	}
	// The server may close before all of it is sent.
	status, err := w.rawStatus(t.Context(), raw+strings.Repeat("X-A: a\r\n", 100_000)+"\r\n")
	if err == nil && status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a hundred thousand: %d", status)
	}
	status, err = w.rawStatus(t.Context(), raw+"X-A: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
	if err == nil && status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a mebibyte in one: %d", status)
	}
	if n := len(p.requests()); n != 1 {
		t.Errorf("%d requests reached the pod", n)
	}
}

// TestSlowClients: those who send a header or a body without end are given up,
// and those who are quick do not notice them.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t, withConfig(func(c *gateway.Config) {
		c.HeaderTimeout, c.BodyTimeout = 300*time.Millisecond, 300*time.Millisecond
	})), newPod(t, nil)
	w.pods(p)
	w.public(nil)
	slow := map[string]string{
		"header":     "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nX-A: ",
		"body":       "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n{",
		"large body": "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000000\r\n\r\n{",
		"chunks":     "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
		"nothing":    "",
	}
	var wg sync.WaitGroup
	for name, start := range slow {
		for range 20 {
			wg.Go(func() { trickle(t, w, name, start) })
		}
	}
	for range 20 {
		began := time.Now()
		if got := w.do(call{body: "{}"}); got.status != http.StatusOK {
			t.Errorf("a quick client: %d", got.status)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a quick client waited %s", took)
		}
	}
	wg.Wait()
}

// trickle sends a byte now and then until the gateway closes the connection.
func trickle(t *testing.T, w *world, name, start string) {
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.front.Listener.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, start); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		io.Copy(io.Discard, conn)
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
			if time.Since(began) > 8*time.Second {
				t.Errorf("%s: still connected", name)
				return
			}
			io.WriteString(conn, "a")
		}
	}
}

func TestConcurrencyOfOneFlow(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	w, p := newWorld(t), newPod(t, func(rw http.ResponseWriter, r *http.Request) { <-gate; echo(rw, r) })
	w.pods(p)
	two := int32(2)
	w.public(func(f *v1alpha1.Flow) { f.Spec.Runtime.MaxConcurrentRuns = &two })
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { w.try(t.Context(), call{body: "{}"}) })
	}
	eventually(t, "two are being served", func() bool { return len(p.requests()) == 2 })
	got := w.do(call{body: "{}"})
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("the third: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	close(gate)
	wg.Wait()
	if got := w.do(call{body: "{}"}); got.status != http.StatusOK {
		t.Errorf("after them: %d", got.status)
	}
}

func TestConcurrencyOfAll(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.MaxInFlight = 1 }))
	p := newPod(t, func(rw http.ResponseWriter, r *http.Request) { <-gate; echo(rw, r) })
	w.pods(p)
	w.public(nil)
	var wg sync.WaitGroup
	wg.Go(func() { w.try(t.Context(), call{body: "{}"}) })
	eventually(t, "one is being served", func() bool { return len(p.requests()) == 1 })
	if got := w.do(call{path: "/anything"}); got.status != http.StatusServiceUnavailable {
		t.Errorf("the second: %d", got.status)
	}
	close(gate)
	wg.Wait()
}

// TestManySockets holds a part of promise R15: sockets beyond the limit are
// closed at once, and those that close make room.
func TestManySockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.MaxConnections = 20 }))
	w.pods(newPod(t, nil))
	w.public(nil)
	var conns []net.Conn
	open := make(chan net.Conn, 200)
	for range 200 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	var wg sync.WaitGroup
	for _, conn := range conns {
		wg.Go(func() {
			if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
				t.Error(err)
			}
			_, err := conn.Read(make([]byte, 1))
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				open <- conn
			}
		})
	}
	wg.Wait()
	if n := len(open); n != 20 {
		t.Errorf("%d of 200 sockets were left open, the limit is 20", n)
	}
	for _, conn := range conns {
		conn.Close()
	}
	eventually(t, "there is room again", func() bool {
		got, err := w.try(t.Context(), call{body: "{}"})
		return err == nil && got.status == http.StatusOK
	})
}

// TestHeldBodiesAreBounded: when many bodies are in memory, others pass as
// streams.
func TestHeldBodiesAreBounded(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.ReplayBytes = 1 << 20 }))
	p := newPod(t, func(rw http.ResponseWriter, r *http.Request) { <-gate; echo(rw, r) })
	w.pods(p)
	w.public(nil)
	body := strings.Repeat("x", 1<<20)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if got, err := w.try(t.Context(), call{body: body}); err != nil || got.status != http.StatusOK || got.body != body {
				t.Errorf("%v %d, %d bytes", err, got.status, len(got.body))
			}
		})
	}
	eventually(t, "all are being served", func() bool { return len(p.requests()) == 40 })
	close(gate)
	wg.Wait()
}

// TestFloodOfCredentials: made-up keys cannot occupy the database for long.
func TestFloodOfCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.DecisionTimeout = 300 * time.Millisecond }))
	w.flow(nil)
	w.store.set(func(s *fakeStore) { s.hang = true })
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			got, err := w.try(t.Context(), call{header: bearer(fmt.Sprintf("%s%03d", unknownKey, i))})
			if err != nil || got.status != http.StatusServiceUnavailable {
				t.Errorf("%v %d", err, got.status)
			}
		})
	}
	wg.Wait()
	w.store.set(func(s *fakeStore) {
		if s.most > 32 {
			t.Errorf("%d questions reached the database at a time", s.most)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := (gateway.Config{}).WithDefaults().Validate(); err != nil {
		t.Errorf("the defaults must be valid: %v", err)
	}
	cases := map[string]gateway.Config{
		"CredentialTTL":   {CredentialTTL: 2 * time.Second},
		"DecisionTimeout": {DecisionTimeout: 3 * time.Second},
		"TokenReuse":      {TokenReuse: 30 * time.Second},
		"ClusterTTL":      {ClusterTTL: time.Minute},
		"MaxHeaderBytes":  {MaxHeaderBytes: 1 << 30},
		"ReplayBytes":     {ReplayBytes: 1 << 30},
		"Replicas":        {Replicas: -1},
		"Limits":          {Limits: gateway.Limits{PerDay: -1}},
	}
	for field, c := range cases {
		if err := c.WithDefaults().Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := gateway.New(gateway.Config{}, gateway.Deps{}); err == nil {
		t.Error("a gateway without anything around it was made")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.gateway.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}
