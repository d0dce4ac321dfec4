package gateway_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
)

func TestStreamsPassAtOnce(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	w := newWorld(t)
	w.public(nil)
	w.pods(newPod(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(rw, "event: component.delta\ndata: {\"seq\":%d}\n\n", i)
			http.NewResponseController(rw).Flush()
			select {
			case <-gate:
			case <-r.Context().Done():
				return
			}
		}
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.front.URL+"/f/acme/hello", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		// The pod goes on only after this event has arrived here: were it held
		// back anywhere, this would never end.
		var event string
		for line := ""; line != "\n"; event += line {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
		}
		if !strings.Contains(event, fmt.Sprintf(`{"seq":%d}`, i)) {
			t.Errorf("event %d is %q", i, event)
		}
		gate <- struct{}{}
	}
}

// TestCallerWhoLeavesCancelsTheRun: flow-model rule 7.
func TestCallerWhoLeavesCancelsTheRun(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan struct{})
	w := newWorld(t)
	w.public(nil)
	w.pods(newPod(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := w.try(ctx, call{body: "{}"}); err == nil {
		t.Error("an answer without a pod's answer")
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the run went on")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	small, large := "{}", strings.Repeat("x", 100<<10)
	cases := map[string]struct {
		reason string
		body   string
		first  func(t *testing.T) string // the address of the pod that fails
		want   int
	}{
		"Refused":         {"A pod that is gone took nothing.", small, closedAddress, http.StatusOK},
		"RefusedLarge":    {"Not even of a large body.", large, closedAddress, http.StatusOK},
		"RefusedNoBody":   {"Or of none.", "", closedAddress, http.StatusOK},
		"ClosedOnArrival": {"A pod that took the connection may have begun to work.", small, closing, http.StatusBadGateway},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, nil)
			w := newWorld(t)
			w.public(nil)
			failing, seen := tc.first(t), map[int]int{}
			// The choice of a pod is random; try until each was the first.
			w.serve(failing, p.Listener.Addr().String())
			for range 24 {
				got := w.do(call{body: tc.body})
				seen[got.status]++
				if got.status == http.StatusOK && got.body != tc.body {
					t.Errorf("%s\nthe body arrived as %d bytes", tc.reason, len(got.body))
				}
			}
			if seen[tc.want] == 0 || seen[http.StatusOK]+seen[tc.want] < 24 {
				t.Errorf("%s\nstatuses: %v", tc.reason, seen)
			}
		})
	}
}

// closing is a server that takes connections and closes them once a request is
// there.
func closing(t *testing.T) string {
	return rawServer(t, func(c net.Conn) {
		io.ReadAtLeast(c, make([]byte, 64), 64)
	})
}

// TestStaleConnection: a pod closes a kept connection while the next request is
// on its way. That request was never read, so another connection gets it.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	address := rawServer(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		served.Add(1)
		in.Peek(1)
	})
	w := newWorld(t)
	w.public(nil)
	w.serve(address)
	for i := range 10 {
		if got := w.do(call{body: "{}"}); got.status != http.StatusOK {
			t.Fatalf("request %d: %d %s", i, got.status, got.body)
		}
	}
	if n := served.Load(); n != 10 {
		t.Errorf("10 requests were served %d times", n)
	}
}

// TestRunIsNotRepeated: a pod that dies in the middle of a run answers nobody,
// but the run is not begun a second time elsewhere.
func TestRunIsNotRepeated(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	dies := func(rw http.ResponseWriter, _ *http.Request) {
		runs.Add(1)
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	w := newWorld(t)
	w.public(nil)
	w.pods(newPod(t, dies), newPod(t, dies))
	if got := w.do(call{body: "{}"}); got.status != http.StatusBadGateway {
		t.Errorf("status %d", got.status)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("the run was begun %d times", n)
	}
}

func TestWaitsForAPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.EndpointWait = 10 * time.Second }))
	w.public(nil)
	w.serve()
	p := newPod(t, nil)
	go func() {
		time.AfterFunc(50*time.Millisecond, func() { w.pods(p) })
	}()
	if got := w.do(call{body: "{}"}); got.status != http.StatusOK {
		t.Errorf("a pod that becomes ready gets the request that waits: %d %s", got.status, got.body)
	}
}

func TestNoPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.public(nil)
	w.serve()
	got := w.do(call{body: "{}"})
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.message(t), "not ready") {
		t.Errorf("%d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	w.public(func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StatePaused })
	got = w.do(call{body: "{}"})
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || !strings.Contains(got.message(t), "paused") {
		t.Errorf("paused: %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
	}
}

func TestWhichPodsServe(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	cases := map[string]struct {
		reason     string
		conditions []discoveryv1.EndpointConditions
		want       []int // the pods that may serve
	}{
		"Ready":      {"A ready pod serves.", []discoveryv1.EndpointConditions{{Ready: &yes}}, []int{0}},
		"Unknown":    {"One of which nothing is said counts as ready.", []discoveryv1.EndpointConditions{{}}, []int{0}},
		"NotReady":   {"One that is not ready does not serve.", []discoveryv1.EndpointConditions{{Ready: &no, Serving: &no}, {Ready: &yes}}, []int{1}},
		"Leaving":    {"One that ends gets nothing new.", []discoveryv1.EndpointConditions{{Ready: &no, Serving: &yes, Terminating: &yes}, {Ready: &yes}}, []int{1}},
		"AllLeaving": {"Unless there is no other.", []discoveryv1.EndpointConditions{{Ready: &no, Serving: &yes, Terminating: &yes}}, []int{0}},
		"ReadyAndGo": {"Ready and ending is ending.", []discoveryv1.EndpointConditions{{Ready: &yes, Serving: &yes, Terminating: &yes}, {Ready: &yes}}, []int{1}},
		"Both":       {"All that are ready serve.", []discoveryv1.EndpointConditions{{Ready: &yes}, {Ready: &yes}}, []int{0, 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.public(nil)
			var pods []*pod
			for i, c := range tc.conditions {
				p := newPod(t, nil)
				pods = append(pods, p)
				w.directory.SetSlice(slice(t, i, p.Listener.Addr().String(), c))
			}
			for range 20 {
				w.do(call{body: "{}"})
			}
			for i, p := range pods {
				if served := len(p.requests()) > 0; served != slices.Contains(tc.want, i) {
					t.Errorf("%s\npod %d got %d requests", tc.reason, i, len(p.requests()))
				}
			}
		})
	}
}

func TestSlicesThatAreIgnored(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newPod(t, nil)
	w.public(nil)
	changes := map[string]func(*discoveryv1.EndpointSlice){
		"other port name":     func(s *discoveryv1.EndpointSlice) { other := "metrics"; s.Ports[0].Name = &other },
		"no port":             func(s *discoveryv1.EndpointSlice) { s.Ports = nil },
		"no label":            func(s *discoveryv1.EndpointSlice) { s.Labels = nil },
		"other namespace":     func(s *discoveryv1.EndpointSlice) { s.Namespace = "acme" },
		"other workspace":     func(s *discoveryv1.EndpointSlice) { s.Namespace = "weft-ws-other" },
		"host names":          func(s *discoveryv1.EndpointSlice) { s.AddressType = discoveryv1.AddressTypeFQDN },
		"without any address": func(s *discoveryv1.EndpointSlice) { s.Endpoints[0].Addresses = nil },
	}
	for name, change := range changes {
		s := slice(t, 0, p.Listener.Addr().String(), discoveryv1.EndpointConditions{})
		change(s)
		w.directory.SetSlice(s)
		if got := w.do(call{body: "{}"}); got.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", name, got.status)
		}
		w.directory.DeleteSlice(s)
	}
}

func TestFlowsOutsideOfWorkspacesAreInvisible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, namespace := range []string{"acme", "default", "weft-system", "weft-ws-"} {
		f := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hello", UID: helloUID}}
		f.Spec.Exposure.Visibility = v1alpha1.VisibilityPublic
		w.directory.SetFlow(f)
	}
	if got := w.do(call{}); got.status != http.StatusUnauthorized {
		t.Errorf("status %d", got.status)
	}
}

func TestLoadIsSpread(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	slow := func(rw http.ResponseWriter, r *http.Request) { <-gate; echo(rw, r) }
	pods := []*pod{newPod(t, slow), newPod(t, slow), newPod(t, slow), newPod(t, slow)}
	w := newWorld(t)
	w.public(nil)
	w.pods(pods...)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { w.try(t.Context(), call{body: "{}"}) })
	}
	eventually(t, "all are being served", func() bool {
		n := 0
		for _, p := range pods {
			n += len(p.requests())
		}
		return n == 40
	})
	close(gate)
	wg.Wait()
	for i, p := range pods {
		if n := len(p.requests()); n < 5 || n > 15 {
			t.Errorf("pod %d of 4 got %d of 40 requests at the same time", i, n)
		}
	}
}

// TestRolloutLosesNothing replaces pods again and again under load, in the
// order in which Kubernetes and the runtime do it: the new one is ready, the old
// one is said to end, it goes on for a while, then its port is closed.
func TestRolloutLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.public(nil)
	current := newPod(t, nil)
	w.pods(current)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent [4]atomic.Int32
	for i := range sent {
		wg.Go(func() {
			for ctx.Err() == nil {
				if got, err := w.try(t.Context(), call{body: `{"input":"x"}`}); err != nil || got.status != http.StatusOK {
					t.Errorf("%v %d %s", err, got.status, got.body)
				}
				sent[i].Add(1)
			}
		})
	}
	for range 6 {
		next := newPod(t, nil)
		w.pods(next)
		for i := range sent { // each client has begun a request since
			before := sent[i].Load()
			eventually(t, "requests go on", func() bool { return sent[i].Load() >= before+2 })
		}
		if err := current.Config.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		current = next
	}
	cancel()
	wg.Wait()
}

// TestWhatPodsMayNotSay: headers by which one flow could act on the origin that
// all share, or tell of the inside.
func TestWhatPodsMayNotSay(t *testing.T) {
	t.Parallel()
	forbidden := []string{
		"Server", "X-Powered-By", "Set-Cookie", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "Service-Worker-Allowed",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Weft-Pod", "X-Weft-Node", "X-Forwarded-For", "Via", "RateLimit-Limit", "Refresh",
	}
	w := newWorld(t)
	w.public(nil)
	w.pods(newPod(t, func(rw http.ResponseWriter, _ *http.Request) {
		for _, h := range forbidden {
			rw.Header().Set(h, "*")
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("X-Request-Id", "from the pod")
		rw.WriteHeader(http.StatusTeapot)
	}))
	got := w.do(call{header: http.Header{"Origin": {w.front.URL}}})
	for _, h := range forbidden {
		if v := got.header.Get(h); v != "" {
			t.Errorf("%s: %q got out", h, v)
		}
	}
	if got.status != http.StatusTeapot || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("the rest must pass: %d %v", got.status, got.header)
	}
	if ids := got.header.Values("X-Request-Id"); len(ids) != 1 || ids[0] == "from the pod" {
		t.Errorf("request id %q", ids)
	}
	for h, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Origin", "Referrer-Policy": "same-origin"} {
		if values := got.header.Values(h); len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q", h, values)
		}
	}
}

func TestPodTroubles(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		answer string
		want   int
	}{
		"Nothing":       {"A pod that says nothing is a broken pod.", "", http.StatusBadGateway},
		"Garbage":       {"So is one that does not speak HTTP.", "hello\r\n\r\n", http.StatusBadGateway},
		"HugeHeaders":   {"Headers without end are cut.", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 200) + "\r\n", http.StatusBadGateway},
		"Switching":     {"A switch that nobody asked for is refused.", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", http.StatusBadGateway},
		"RefusesToken":  {"A pod that does not believe us is not the caller's fault.", "HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Weft-Request-Token\r\nContent-Length: 0\r\n\r\n", http.StatusServiceUnavailable},
		"FlowSays401":   {"But a flow may answer 401 itself.", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", http.StatusUnauthorized},
		"TwoLengths":    {"An answer with two lengths is none.", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", http.StatusBadGateway},
		"PlainAnswer":   {"And this is how it should be.", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", http.StatusOK},
		"EarlyHint":     {"Interim answers do no harm.", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", http.StatusOK},
		"EmptyOK":       {"An empty answer is an answer.", "HTTP/1.1 204 No Content\r\n\r\n", http.StatusNoContent},
		"OldHTTP":       {"Even an old one.", "HTTP/1.0 200 OK\r\n\r\n{}", http.StatusOK},
		"BadStatusLine": {"A status that is none is refused.", "HTTP/1.1 abc\r\n\r\n", http.StatusBadGateway},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.public(nil)
			w.serve(rawServer(t, func(c net.Conn) {
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.Copy(io.Discard, r.Body)
					io.WriteString(c, tc.answer)
				}
			}))
			if got := w.do(call{body: "{}"}); got.status != tc.want {
				t.Errorf("%s\nstatus %d, want %d: %s", tc.reason, got.status, tc.want, got.body)
			}
		})
	}
}

func TestRunTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.ResponseGrace = 50 * time.Millisecond }))
	w.public(func(f *v1alpha1.Flow) { f.Spec.Runtime.RunTimeout = &metav1.Duration{Duration: 50 * time.Millisecond} })
	w.pods(newPod(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	start := time.Now()
	if got := w.do(call{body: "{}"}); got.status != http.StatusGatewayTimeout {
		t.Errorf("status %d: %s", got.status, got.body)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestNothingOfTheConsumerIsKept holds promise R14 for the gateway: what a
// caller sends or gets is in no log line and no metric.
func TestNothingOfTheConsumerIsKept(t *testing.T) {
	t.Parallel()
	canary := func() string {
		b := make([]byte, 12)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		return "canary" + base64.RawURLEncoding.EncodeToString(b)
	}
	var canaries []string
	fresh := func() string { c := canary(); canaries = append(canaries, c); return c }
	w := newWorld(t)
	w.public(nil)
	answer := fresh()
	w.pods(newPod(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Answer", answer)
		if r.Header.Get("Fail") != "" {
			rw.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(rw, answer)
	}))
	for i := range 40 {
		header := http.Header{
			"X-Custom": {fresh()}, "User-Agent": {fresh()}, "Cookie": {"a=" + fresh()}, "Origin": {w.front.URL}, "Referer": {"http://x/" + fresh()}, "X-" + fresh(): {"x"},
			"X-Forwarded-For": {fresh()},
		}
		switch i % 4 {
		case 1:
			header.Set("Authorization", "Bearer "+fresh())
		case 2:
			header.Set("Fail", "yes")
		case 3:
			header.Set("X-Api-Key", "wk_"+fresh())
		}
		path := "/f/acme/hello"
		if i%5 == 0 {
			path = "/f/acme/" + fresh()
		}
		w.do(call{path: path + "?q=" + fresh(), header: header, body: fresh()})
	}
	w.serve(closedAddress(t))
	w.do(call{path: "/f/acme/hello?q=" + fresh(), body: fresh()})
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kept := w.logs.String() + fmt.Sprint(families)
	if !strings.Contains(kept, `"workspace":"acme"`) || len(canaries) < 200 {
		t.Fatal("there is no log to search, or too little was sent")
	}
	for _, c := range canaries {
		if strings.Contains(kept, c) {
			t.Errorf("%s was kept", c)
		}
	}
}
