package guard

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
)

func serve(t *testing.T, handler http.HandlerFunc, o Options) (*http.Client, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.Allow = mustAllow(t, "127.0.0.1")
	return NewClient(o), server.URL
}

func get(ctx context.Context, t *testing.T, client *http.Client, url string) (int64, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatalf("making the request: %v", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.Copy(io.Discard, resp.Body)
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 1000
	cases := map[string]struct {
		reason string
		ask    int64
		body   int
		bytes  int64
		code   v1alpha1.ErrorCode
	}{
		"below":        {"A body below the bound is whole.", 0, limit - 1, limit - 1, ""},
		"exactly":      {"A body of exactly the bound is whole.", 0, limit, limit, ""},
		"one too many": {"One byte more is an error, after what fits.", 0, limit + 1, limit, v1alpha1.ErrorTooLarge},
		"asked less":   {"A caller may take less.", 10, 11, 10, v1alpha1.ErrorTooLarge},
		"asked more":   {"A caller cannot take more than the client allows.", 5000, limit + 1, limit, v1alpha1.ErrorTooLarge},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if _, err := io.WriteString(w, strings.Repeat("x", tc.body)); err != nil {
					return
				}
			}, Options{MaxResponseBytes: limit})
			ctx := t.Context()
			if tc.ask > 0 {
				ctx = LimitResponse(ctx, tc.ask)
			}
			n, err := get(ctx, t, client, url)
			if n != tc.bytes || codeOf(err) != tc.code {
				t.Errorf("%s\ngot %d bytes and %v, want %d and code %q", tc.reason, n, err, tc.bytes, tc.code)
			}
		})
	}
}

func TestGzipBombIsCutOff(t *testing.T) {
	t.Parallel()
	const unpacked = 1 << 30
	client, url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return
		}
		zeros := make([]byte, 1<<20)
		for range unpacked / len(zeros) {
			if _, err := zip.Write(zeros); err != nil {
				return
			}
		}
	}, Options{MaxResponseBytes: 8 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := get(t.Context(), t, client, url)
	runtime.ReadMemStats(&after)
	if n != 8<<20 || codeOf(err) != v1alpha1.ErrorTooLarge {
		t.Errorf("got %d bytes and %v, want it to be cut off at 8 MiB", n, err)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB, want 64 at most", grown>>20)
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	client, url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 2*maxResponseHeaderBytes))
	}, Options{})
	if _, err := get(t.Context(), t, client, url); err == nil || Explain(err).Code != v1alpha1.ErrorUpstream {
		t.Errorf("got %v, want an error", err)
	}
}

func TestAHangingServiceEndsWithTheContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	client, url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}, Options{})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := get(ctx, t, client, url)
	if err == nil || Explain(err).Code != v1alpha1.ErrorTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			return
		}
		http.Redirect(w, r, strings.TrimPrefix(r.URL.Path, "/hop"), http.StatusFound)
	}
	cases := map[string]struct {
		reason string
		follow int
		path   string
		status int
		fails  bool
	}{
		"not asked": {"Redirects are answers like any other.", 0, "/hop/end", http.StatusFound, false},
		"followed":  {"They are followed where asked for.", 2, "/hop/hop/end", http.StatusOK, false},
		"too many":  {"Not more often than asked for.", 1, "/hop/hop/end", 0, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, url := serve(t, handler, Options{})
			ctx := t.Context()
			if tc.follow > 0 {
				ctx = FollowRedirects(ctx, tc.follow)
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+tc.path, nil)
			if err != nil {
				t.Fatalf("making the request: %v", err)
			}
			resp, err := client.Do(req)
			if (err != nil) != tc.fails {
				t.Fatalf("%s\ngot error %v", tc.reason, err)
			}
			if err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != tc.status {
					t.Errorf("%s\ngot %d, want %d", tc.reason, resp.StatusCode, tc.status)
				}
			}
		})
	}
}

func TestKeysDoNotFollowToAnotherOrigin(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	_, second := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() }, Options{})
	client, first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second, http.StatusFound)
	}, Options{})
	req, err := http.NewRequestWithContext(FollowRedirects(t.Context(), 1), http.MethodGet, first, nil)
	if err != nil {
		t.Fatalf("making the request: %v", err)
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "X-Shop-Token"} {
		req.Header.Set(name, "sk-secret")
	}
	req.Header.Set("Accept", "text/plain")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("following: %v", err)
	}
	_ = resp.Body.Close()
	got := <-seen
	for name, values := range got {
		if strings.Contains(strings.Join(values, ""), "sk-secret") {
			t.Errorf("header %s went to another origin", name)
		}
	}
	if diff := cmp.Diff("text/plain", got.Get("Accept")); diff != "" {
		t.Errorf("harmless headers stay (-want +got):\n%s", diff)
	}
}

func TestExplainNeverRepeatsTheAddress(t *testing.T) {
	t.Parallel()
	_, resolver := startNameServer(t)
	client := NewClient(Options{Resolver: resolver, Timeout: time.Second})
	_, err := get(t.Context(), t, client, "http://canary-host.example.org/canary-path?canary=1")
	if err == nil {
		t.Fatal("a name that does not exist answered")
	}
	got := Explain(err)
	if got.Code != v1alpha1.ErrorUpstream || !strings.Contains(got.Message, "no server of that name") {
		t.Errorf("got %v, want a word on the name", got)
	}
	if strings.Contains(got.Error(), "canary") || strings.Contains(errors.Unwrap(got).Error(), "canary-path") {
		t.Errorf("%v / %v repeats the address", got, errors.Unwrap(got))
	}
}

func TestExplainTellsCertificatesApart(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := NewClient(Options{Allow: mustAllow(t, "127.0.0.1")})
	_, err := get(t.Context(), t, client, server.URL)
	if err == nil || !strings.Contains(Explain(err).Message, "certificate") {
		t.Errorf("got %v, want a word on the certificate", err)
	}
}
