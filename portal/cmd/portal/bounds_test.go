package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/portaltest"
)

// endless is a body that never ends; it counts what was read of it.
type endless struct{ read int64 }

// Read gives more of the same text.
func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

// TestBodiesAreBounded holds promise R15 for bodies: every route that changes
// something refuses an endless one, at its own limit and not later.
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	agent, _ := w.SignUp(t, "one@example.com")
	flow := agent.JSON(t, "/flow/create?template=blanc", struct{}{}).Text(t, "flow", "id")
	key := agent.JSON(t, "/apikey/store", map[string]string{"name": "n", "key": "sk-0123456789abcdef"}).Text(t, "id")
	for _, route := range w.routes {
		if !route.Mutates || route.Pattern == "/logout" {
			continue
		}
		id := flow
		if strings.HasPrefix(route.Pattern, "/apikey") {
			id = key
		}
		path := strings.NewReplacer("{id}", id, "{key}", uuid.NewString()).Replace(route.Pattern)
		body := &endless{}
		r, err := http.NewRequestWithContext(t.Context(), route.Method, w.URL+path, io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(body, 64<<20)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+agent.Bearer)
		answer, err := agent.Client.Do(r)
		if err != nil {
			// The server closed the connection in the middle of the body,
			// before its answer was read: refused as well.
			continue
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		refused := answer.StatusCode == http.StatusRequestEntityTooLarge || answer.StatusCode == http.StatusBadRequest
		if !refused && route.Request != nil { // those without one do not look at a body
			t.Errorf("%s %s: %d to an endless body", route.Method, route.Pattern, answer.StatusCode)
		}
		if body.read > 16<<20 {
			t.Errorf("%s %s: %d bytes were taken", route.Method, route.Pattern, body.read)
		}
	}
	if account := agent.Get(t, "/account"); account.Status != http.StatusOK {
		t.Errorf("afterwards: %d", account.Status)
	}
}

// TestHeadersAreBounded holds promise R15 for headers, on the server as it is
// configured for real.
func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	p := portaltest.New(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	s := httptest.NewUnstartedServer(handler)
	s.Config = newHTTPServer(handler, p.Deps.Log)
	s.Config.ReadHeaderTimeout = 300 * time.Millisecond // the real one is too long for a test
	s.Start()
	defer s.Close()
	agent := portaltest.NewAgent(t, s.URL)
	large := agent.Get(t, "/", portaltest.With("X-Large", strings.Repeat("x", 200<<10)))
	many := agent.Get(t, "/", func(r *http.Request) {
		for range 100_000 {
			r.Header.Add("X", "x")
		}
	})
	if large.Status != http.StatusRequestHeaderFieldsTooLarge || many.Status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large header: %d, many headers: %d; want 431", large.Status, many.Status)
	}
	if newHTTPServer(handler, p.Deps.Log).ReadHeaderTimeout > 10*time.Second {
		t.Error("headers may take longer than 10s")
	}
	slow, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := slow.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(slow); err != nil {
		t.Errorf("a header that does not end: %v, want the connection closed", err)
	}
}
