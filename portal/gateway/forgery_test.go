package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// forged are names through which some software somewhere learns who calls, from
// where or for what.
var forged = []string{
	"Weft-Request-Token", "Weft-User", "Weft-Subject", "Weft-Workspace", "X-Weft-User", "X-Weft-Request-Token", "Weft-Audience", "X-Weft-Tenant",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Prefix", "Forwarded", "X-Real-IP",
	"True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Original-URL", "X-Rewrite-URL", "X-Original-Host", "X-HTTP-Method-Override", "X-Method-Override",
	"X-User", "X-User-Id", "X-Remote-User", "Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Authenticated-User", "X-Tenant-Id", "X-Workspace",
	"X-Roles", "X-Groups", "X-Admin", "Impersonate-User", "X-Consumer-ID", "X-Ms-Client-Principal", "X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-Identity",
	"X-Request-Id",
}

// variants are the ways of writing a name that some software takes for the
// same, as whole header blocks. v is the value that claims to be the owner.
func variants(name, v string) map[string]string {
	lower := strings.ToLower(name)
	return map[string]string{
		"canonical":      name + ": " + v,
		"lower":          lower + ": " + v,
		"upper":          strings.ToUpper(name) + ": " + v,
		"mixed":          swapCase(name) + ": " + v,
		"underscore":     strings.ReplaceAll(lower, "-", "_") + ": " + v,
		"dot":            strings.ReplaceAll(lower, "-", ".") + ": " + v,
		"tilde":          strings.ReplaceAll(lower, "-", "~") + ": " + v,
		"no hyphen":      strings.ReplaceAll(lower, "-", "") + ": " + v,
		"two hyphens":    strings.ReplaceAll(name, "-", "--") + ": " + v,
		"hyphen at end":  name + "-: " + v,
		"underscore 1st": "_" + lower + ": " + v,
		"space before :": name + " : " + v,
		"tab before :":   name + "\t: " + v,
		"space in name":  strings.Replace(name, "-", " ", 1) + ": " + v,
		"leading space":  " " + name + ": " + v,
		"folded":         "X-Other: a\r\n " + name + ": " + v,
		"duplicated":     name + ": a\r\n" + name + ": " + v,
		"two spellings":  name + ": a\r\n" + strings.ReplaceAll(lower, "-", "_") + ": " + v,
		"in Connection":  name + ": " + v + "\r\nConnection: " + name,
		"Connection 1st": "Connection: keep-alive, " + lower + "\r\n" + name + ": " + v,
		"non-UTF-8 name": name + "\xff: " + v,
		"non-UTF-8":      name + ": \xff\xfe" + v,
		"NUL in name":    name + "\x00: " + v,
		"bare LF":        "X-Other: a\n" + name + ": " + v,
		"bare CR":        "X-Other: a\r" + name + ": " + v,
		"trailer":        "Trailer: " + name,
	}
}

func swapCase(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i%2 == 0 {
			b.WriteString(strings.ToLower(string(r)))
		} else {
			b.WriteString(strings.ToUpper(string(r)))
		}
	}
	return b.String()
}

// TestHeadersCannotForgeIdentity holds promise S2: in no spelling does a header
// reach the pod or change who calls, where, or whose it is.
func TestHeadersCannotForgeIdentity(t *testing.T) {
	t.Parallel()
	const claim = "user:00000000-0000-0000-0000-000000000001"
	w, p := newWorld(t), newPod(t, nil)
	w.pods(p)
	w.public(nil)
	cells, delivered := 0, 0
	for _, name := range forged {
		for variant, block := range variants(name, claim) {
			cells++
			before := len(p.requests())
			raw := "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\n" + block + "\r\nContent-Length: 2\r\n\r\n{}"
			if variant == "trailer" {
				raw = "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\n" + block + "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + name + ": " + claim + "\r\n\r\n"
			}
			status := w.raw(t, raw)
			seen := p.requests()
			if len(seen) == before {
				if status < 400 {
					t.Errorf("%s, %s: answered %d without the pod", name, variant, status)
				}
				continue
			}
			delivered++
			checkUnforged(t, name+", "+variant, seen[len(seen)-1], claim)
			if got := p.lastClaims(); got.Subject != requesttoken.SubjectAnonymous || got.Workspace != "acme" || got.Path != "/f/acme/hello" || got.Method != http.MethodPost {
				t.Errorf("%s, %s: the token speaks of %+v", name, variant, got)
			}
		}
	}
	if cells < 1000 || delivered < cells/2 {
		t.Errorf("%d cells, of which %d reached a pod: too few to prove anything", cells, delivered)
	}
}

func checkUnforged(t *testing.T, cell string, r *http.Request, claim string) {
	t.Helper()
	for h, values := range r.Header {
		own := h == requesttoken.Header || h == "X-Request-Id"
		if request.IsReservedHeader(h) && !own {
			t.Errorf("%s: the pod got %q", cell, h)
		}
		for _, v := range values {
			// A folded line goes on with the header before it, as text.
			if strings.Contains(v, claim) && h != "X-Other" {
				t.Errorf("%s: the claim reached the pod in %q", cell, h)
			}
		}
		if own && len(values) != 1 {
			t.Errorf("%s: the pod got %d of %s", cell, len(values), h)
		}
	}
	for h, values := range r.Trailer {
		if len(values) > 0 && request.IsReservedHeader(h) {
			t.Errorf("%s: the pod got the trailer %q", cell, h)
		}
	}
	if r.Host != "gateway" || r.URL.Path != "/f/acme/hello" || r.Method != http.MethodPost {
		t.Errorf("%s: the pod saw %s %s%s", cell, r.Method, r.Host, r.URL.Path)
	}
}

// raw sends bytes and returns the status of the answer.
func (w *world) raw(t testing.TB, raw string) int {
	t.Helper()
	status, err := w.rawStatus(t.Context(), raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return status
}

func (w *world) rawStatus(ctx context.Context, raw string) (int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", w.front.Listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, raw); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	defer res.Body.Close()
	_, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

// TestAmbiguousRequests: nothing that could be read in two ways reaches a pod.
func TestAmbiguousRequests(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newPod(t, nil)
	w.pods(p)
	w.public(nil)
	cases := map[string]string{
		"dot segments":      "POST /f/acme/../acme/hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"encoded slash":     "POST /f/acme%2fhello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"double slash":      "POST //f/acme/hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"parameter":         "POST /f/acme/hello;x HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"backslash":         "POST /f\\acme\\hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"absolute form":     "POST http://other/f/acme/hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"options asterisk":  "OPTIONS * HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"connect":           "CONNECT gateway:80 HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"connect path":      "CONNECT /f/acme/hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"small method":      "post /f/acme/hello HTTP/1.1\r\nHost: gateway\r\n\r\n",
		"bad host":          "POST /f/acme/hello HTTP/1.1\r\nHost: gateway/x\r\n\r\n",
		"two hosts":         "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nHost: other\r\n\r\n",
		"length and chunks": "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nContent-Length: 3\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"two lengths":       "POST /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
		"h2 preface":        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
	for name, raw := range cases {
		if status := w.raw(t, raw); status < 400 || status >= 600 {
			t.Errorf("%s: status %d", name, status)
		}
	}
	if n := len(p.requests()); n != 0 {
		t.Errorf("%d ambiguous requests reached the pod", n)
	}
}

// TestUpgradesAreNotPassedOn: an upgrade would be a way past the answer that
// the gateway vouches for.
func TestUpgradesAreNotPassedOn(t *testing.T) {
	t.Parallel()
	for _, upgrade := range []string{"websocket", "h2c", "h2c, websocket", "WebSocket", "TLS/1.0"} {
		w, p := newWorld(t), newPod(t, nil)
		w.pods(p)
		w.public(nil)
		raw := "GET /f/acme/hello HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade +
			"\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
		if status := w.raw(t, raw); status == http.StatusSwitchingProtocols {
			t.Errorf("%s: switched", upgrade)
		}
		for _, r := range p.requests() {
			if r.Header.Get("Upgrade") != "" || r.Header.Get("Connection") != "" {
				t.Errorf("%s: the pod was asked to switch: %v", upgrade, r.Header)
			}
		}
	}
}
