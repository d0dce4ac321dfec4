package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/weft-run/weft/runtime/request"
)

const (
	allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	// allowedHeaders a page may send beside the ones that are always allowed.
	allowedHeaders = "Authorization, Content-Type, Accept, Idempotency-Key, Last-Event-ID, X-Api-Key"
	// exposedHeaders a page may read.
	exposedHeaders = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"
)

// allowsOrigin tells whether the pages of an origin may call. The list holds
// whole origins in small letters, as browsers send them; nothing is matched in
// part, and "null" is in no list.
func (s *settings) allowsOrigin(origin string) bool {
	return origin != "" && slices.Contains(s.origins, origin)
}

// originOf returns the origin of the page that calls: empty where there is
// none, or more than one.
func originOf(r *http.Request) string {
	if origins := r.Header.Values("Origin"); len(origins) == 1 {
		return origins[0]
	}
	return ""
}

// isPreflight tells whether a browser asks if a page may call.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// writePreflight answers a preflight of an allowed origin. Credentials are not
// allowed: a page sends a key or a token by itself, never the browser's cookies.
func writePreflight(w http.ResponseWriter, origin string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	h.Set("Access-Control-Allow-Headers", allowedHeaders)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// checkOrigin refuses a call from a page whose origin is not in the list. A
// call without an origin comes from a program, or from an old browser's form.
func checkOrigin(s *settings, r *http.Request, t request.Target) error {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) > 1:
		return forbiddenOrigin()
	case len(origins) == 0:
		if isSafe(r.Method) || r.Header.Get("Sec-Fetch-Site") != "cross-site" {
			return nil
		}
		return forbiddenOrigin()
	case s.allowsOrigin(origins[0]), sameOrigin(origins[0], t.Host):
		return nil
	case origins[0] == "null" && r.Header.Get("Sec-Fetch-Site") == "same-origin":
		return nil // a page of this host that hides its origin; no script can set that header
	}
	return forbiddenOrigin()
}

// sameOrigin tells whether a page of this very host calls, as the flow's own
// form does.
func sameOrigin(origin, host string) bool {
	_, rest, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(rest, host)
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
