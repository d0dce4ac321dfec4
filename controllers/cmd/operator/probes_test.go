package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	never := func(ctx context.Context) bool { <-ctx.Done(); return false }
	cases := map[string]struct {
		reason string
		probes *probes
		path   string
		want   int
	}{
		"Alive":     {"a process that answers lives", &probes{}, "/healthz", http.StatusOK},
		"Starting":  {"before the manager is made nothing is known", &probes{}, "/readyz", http.StatusServiceUnavailable},
		"NotSynced": {"without a filled cache nothing can be decided", &probes{synced: never}, "/readyz", http.StatusServiceUnavailable},
		"Ready": {
			"with it, everything can", &probes{synced: func(context.Context) bool { return true }}, "/readyz", http.StatusOK,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.path, http.NoBody)
			tc.probes.handlers()[tc.path].ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("%s: status %d, want %d", tc.reason, w.Code, tc.want)
			}
		})
	}
}
