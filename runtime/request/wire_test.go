package request_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/request"
)

// chain is a front door and an upstream, both real servers, that each decide
// with the parser, and an upstream mux that decides without it.
type chain struct {
	front   *httptest.Server
	decided chan string // what the front door decided on
	seen    chan string // what the upstream decided on
	muxed   chan string // what a ServeMux behind the upstream matched
}

func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{decided: make(chan string, 1), seen: make(chan string, 1), muxed: make(chan string, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/{path...}", func(_ http.ResponseWriter, r *http.Request) { c.muxed <- "/" + r.PathValue("path") })
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := request.Parse(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			c.seen <- "error: " + err.Error()
			return
		}
		c.seen <- target.Path
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(up.Close)
	upURL, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.front = httptest.NewServer(c.frontDoor(upURL))
	t.Cleanup(c.front.Close)
	return c
}

func (c *chain) frontDoor(up *url.URL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := request.Parse(r)
		if err != nil {
			http.Error(w, "ambiguous", http.StatusBadRequest)
			return
		}
		c.decided <- target.Path
		(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host = up.Scheme, up.Host
			pr.Out.URL.Path, pr.Out.URL.RawPath = target.Path, ""
		}}).ServeHTTP(w, r)
	})
}

// send writes a request byte for byte and returns the status of the answer.
func (c *chain) send(t *testing.T, raw string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestPartiesSeeTheSamePath holds promise S3 with real servers and raw bytes:
// what the front door decides on is what the upstream decides on and what its
// mux matches; what is ambiguous reaches nobody.
func TestPartiesSeeTheSamePath(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	for _, tc := range pathStrings() {
		want := tc.want
		if want == same {
			want = tc.sent
		}
		status := c.send(t, "GET "+tc.sent+" HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")
		if want == "" {
			if status != http.StatusBadRequest {
				t.Errorf("%q: status %d, want 400", tc.sent, status)
			}
			continue
		}
		if status != http.StatusOK {
			t.Errorf("%q: status %d, want 200", tc.sent, status)
			continue
		}
		if decided, seen, muxed := <-c.decided, <-c.seen, <-c.muxed; decided != want || seen != want || muxed != want {
			t.Errorf("%q: decided on %q, upstream saw %q, its mux %q; want %q", tc.sent, decided, seen, muxed, want)
		}
	}
	if len(c.decided)+len(c.seen)+len(c.muxed) != 0 {
		t.Error("a refused request was decided on or reached the upstream")
	}
}

func TestRequestLinesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	cases := map[string]string{
		"AbsoluteForm":          "GET http://example.org/f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"AbsoluteFormOtherHost": "GET http://evil.example/f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"AbsoluteFormUser":      "GET http://a@example.org/f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"AbsoluteHTTPS":         "GET https://example.org/f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"OtherScheme":           "GET file:///f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"Connect":               "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n",
		"ConnectPath":           "CONNECT /f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"SmallMethod":           "get /f/acme/hello HTTP/1.1\r\nHost: example.org\r\n",
		"NoHost":                "GET /f/acme/hello HTTP/1.1\r\n",
		"EmptyHost":             "GET /f/acme/hello HTTP/1.1\r\nHost:\r\n",
		"TwoHosts":              "GET /f/acme/hello HTTP/1.1\r\nHost: example.org\r\nHost: evil.example\r\n",
		"BadHost":               "GET /f/acme/hello HTTP/1.1\r\nHost: example.org/x\r\n",
		"UserHost":              "GET /f/acme/hello HTTP/1.1\r\nHost: a@example.org\r\n",
		"HostWithDot":           "GET /f/acme/hello HTTP/1.1\r\nHost: example.org.\r\n",
		"HTTP10NoHost":          "GET /f/acme/hello HTTP/1.0\r\n",
		"SpaceInPath":           "GET /f/acme/hello x HTTP/1.1\r\nHost: example.org\r\n",
		"SpacedHeader":          "GET /f/acme/hello HTTP/1.1\r\nHost: example.org\r\nWeft-Request-Token : x\r\n",
		"FoldedHeader":          "GET /f/acme/hello HTTP/1.1\r\nHost: example.org\r\n Weft-Request-Token: x\r\n",
		"TwoLengths":            "POST /f/acme/hello HTTP/1.1\r\nHost: example.org\r\nContent-Length: 0\r\nContent-Length: 5\r\n",
		"OddTransferEncoding":   "POST /f/acme/hello HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: xchunked\r\n",
	}
	for name, head := range cases {
		if status := c.send(t, head+"Connection: close\r\n\r\n"); status < 400 || status > 505 {
			t.Errorf("%s: status %d, want it refused", name, status)
		}
	}
	if len(c.seen) != 0 {
		t.Errorf("a refused request reached the upstream: %s", <-c.seen)
	}
}

func TestHostIsTheOneSent(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		target, err := request.Parse(r)
		got <- fmt.Sprint(target.Host, err)
	}))
	t.Cleanup(srv.Close)
	c := &chain{front: srv}
	c.send(t, "GET /login HTTP/1.1\r\nHost: Example.ORG:8080\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n")
	if host := <-got; !strings.HasPrefix(host, "example.org:8080") {
		t.Errorf("host %q", host)
	}
}
