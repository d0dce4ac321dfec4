package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

const benchBody = `{"input":{"name":"Ann"}}`

// hammer sends requests over keep-alive connections, 16 at a time.
func hammer(b *testing.B, url, token string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.SetParallelism(8) // times GOMAXPROCS, which is 2 on a small machine
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(benchBody))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(requesttoken.Header, token)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("status %d, %v", resp.StatusCode, err)
			}
			_ = resp.Body.Close()
		}
	})
}

// BenchmarkBare is a handler that does the same work on JSON and nothing else.
func BenchmarkBare(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, "bad", http.StatusBadRequest)
			return
		}
		name, _ := body.Input["name"].(string)
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"success": "true", "result": "Hello " + name + ", welcome!"}); err != nil {
			return
		}
	}))
	defer server.Close()
	hammer(b, server.URL, "none")
}

// BenchmarkRuntime is input → text-template → output with the same token for
// some seconds, as the gateway sends it.
func BenchmarkRuntime(b *testing.B) {
	f := startFixture(b, ModeFlow, textFlow, nil)
	c := claims(http.MethodPost, flowPath)
	c.IssuedAt = time.Now()
	hammer(b, f.url+flowPath, f.mint(c))
}
