package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/server"
)

// public is every path that strangers may call, and how. It is here a second
// time on purpose: a path that becomes public must be added by hand.
var public = []string{
	"GET /.well-known/jwks.json", "GET /language", "GET /login", "GET /openapi.json", "GET /signup", "GET /static/app.js", "GET /static/style.css",
	"POST /login", "POST /signup", "POST /token/refresh",
}

func TestPublicPathsAreThese(t *testing.T) {
	t.Parallel()
	routes := table(t)
	if err := server.Check(routes); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, route := range routes {
		if route.Access.IsPublic() {
			got = append(got, route.Method+" "+route.Pattern)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(public, got); diff != "" {
		t.Errorf("public paths (-want +got):\n%s", diff)
	}
}

// fill puts values in the place of a pattern's wildcards.
func fillPattern(pattern, value string) string {
	return regexp.MustCompile(`\{[a-z.]+\}`).ReplaceAllString(strings.TrimSuffix(pattern, "{$}"), value)
}

// TestEveryRequestPassesIdentity holds promise S1: every route, with every
// method, and addresses that are no route, without a credential.
func TestEveryRequestPassesIdentity(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	methods := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}
	open := map[string]bool{}
	patterns := []string{"/nowhere", "/flow", "/internal", "/internal/vault", "/metrics", "/healthz", "/debug/pprof/", "/static/", "/static/x", "/login/x", "/.well-known/", "/api"}
	for _, route := range w.routes {
		if !slices.Contains(patterns, route.Pattern) {
			patterns = append(patterns, route.Pattern)
		}
		if route.Access.IsPublic() {
			open[route.Method+" "+route.Pattern] = true
			if route.Method == http.MethodGet {
				open["HEAD "+route.Pattern] = true
			}
		}
	}
	cells := 0
	for _, pattern := range patterns {
		path := fillPattern(pattern, uuid.NewString())
		for _, method := range methods {
			for _, as := range []string{"application/json", "text/html"} {
				cells++
				agent := portaltest.NewAgent(t, w.URL)
				answer := agent.Do(t, method, path, "", "", portaltest.With("Accept", as))
				login := answer.Status == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), "/login")
				refused := answer.Status == http.StatusUnauthorized || as == "text/html" && login
				isOpen := open[method+" "+pattern]
				if refused == isOpen && (!isOpen || method != http.MethodPost) {
					t.Errorf("%s %s as %s: %d %s (open: %v)", method, path, as, answer.Status, answer.Body, isOpen)
				}
			}
		}
		socket := portaltest.NewAgent(t, w.URL).Get(t, path, portaltest.With("Connection", "Upgrade"), portaltest.With("Upgrade", "websocket"),
			portaltest.With("Sec-WebSocket-Version", "13"), portaltest.With("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
		if socket.Status != http.StatusUnauthorized && !open["GET "+pattern] {
			t.Errorf("WebSocket to %s: %d", path, socket.Status)
		}
	}
	if cells < 500 {
		t.Errorf("only %d cells", cells)
	}
}

// TestCSRFIsDead holds promise S10: every route that changes something, from
// pages that must not be able to.
func TestCSRFIsDead(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	agent, _ := w.SignUp(t, "one@example.com")
	victim := "weft-session=" + agent.Cookie(t, "weft-session")
	send := func(route server.Route, contentType, body string, headers ...string) portaltest.Answer {
		stranger := portaltest.NewAgent(t, w.URL)
		return stranger.Do(t, route.Method, fillPattern(route.Pattern, uuid.NewString()), contentType, body, func(r *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		})
	}
	const form, asJSON = "application/x-www-form-urlencoded", "application/json"
	tested := 0
	for _, route := range w.routes {
		if !route.Mutates {
			continue
		}
		tested++
		name := route.Method + " " + route.Pattern
		attacks := map[string]portaltest.Answer{
			"form without token":       send(route, form, "name=x", "Cookie", victim),
			"form with a wrong token":  send(route, form, "name=x&csrf_token=AAAA", "Cookie", victim),
			"form from another origin": send(route, form, "name=x", "Cookie", victim, "Origin", "https://evil.example"),
			"cross-site form":          send(route, form, "name=x", "Cookie", victim, "Sec-Fetch-Site", "cross-site"),
			"same-site form":           send(route, form, "name=x", "Cookie", victim, "Sec-Fetch-Site", "same-site"),
			"null origin":              send(route, form, "name=x", "Cookie", victim, "Origin", "null"),
			"text":                     send(route, "text/plain", `{"name":"x"}`, "Cookie", victim),
			"multipart":                send(route, "multipart/form-data; boundary=x", "--x--", "Cookie", victim),
			"no body":                  send(route, "", "", "Cookie", victim),
			"cross-site JSON":          send(route, asJSON, `{}`, "Cookie", victim, "Sec-Fetch-Site", "cross-site"),
			"JSON from another origin": send(route, asJSON, `{}`, "Cookie", victim, "Origin", "https://evil.example"),
		}
		if !route.Access.IsPublic() {
			attacks["JSON without token"] = send(route, asJSON, `{}`, "Cookie", victim)
			attacks["another session's token"] = send(route, asJSON, `{}`, "Cookie", victim, server.CSRFHeader, "AAAA")
		}
		for attack, answer := range attacks {
			refused := answer.Status == http.StatusForbidden || route.Access.IsPublic() && (answer.Status == http.StatusUnsupportedMediaType || answer.Status == http.StatusBadRequest || answer.Status == http.StatusUnauthorized)
			if !refused {
				t.Errorf("%s, %s: %d %s", name, attack, answer.Status, answer.Body)
			}
			if allowed := answer.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
				t.Errorf("%s, %s: Access-Control-Allow-Origin: %s", name, attack, allowed)
			}
		}
	}
	if tested < 10 {
		t.Errorf("only %d routes change something", tested)
	}
	if account := agent.Get(t, "/account"); account.Status != 200 {
		t.Errorf("the victim's session afterwards: %d", account.Status)
	}
}

// TestSecurityHeaders looks at every kind of answer.
func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	agent, _ := w.SignUp(t, "one@example.com")
	for _, path := range []string{"/", "/login", "/nowhere", "/keys", "/account", "/openapi.json", "/a/../b"} {
		header := agent.Get(t, path, portaltest.With("Accept", "text/html")).Header
		policy := header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, header)
		}
	}
}

// registering are the names by which handlers are registered in net/http.
var registering = []string{"Handle", "HandleFunc", "NewServeMux", "DefaultServeMux"}

// mayRegister are the files that may, each with the reason.
var mayRegister = map[string]string{
	"cmd/portal/operations.go": "the port of probes and metrics, which is not reached from outside",
}

// TestNoHandlerOutsideTheTable reads the portal's source: what is not in the
// table cannot be served.
func TestNoHandlerOutsideTheTable(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || mayRegister[name] != "" || strings.HasSuffix(filepath.Dir(path), "test") {
			return err
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok && slices.Contains(registering, selector.Sel.Name) && isHTTP(selector.X) {
				t.Errorf("%s registers a handler outside of the table: %s", name, selector.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 40 {
		t.Errorf("read %d files: %v", files, err)
	}
	for name := range mayRegister {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Errorf("mayRegister names %s: %v", name, err)
		}
	}
}

func isHTTP(x ast.Expr) bool {
	name, ok := x.(*ast.Ident)
	return ok && (name.Name == "http" || strings.Contains(strings.ToLower(name.Name), "mux"))
}

// TestDescriptionIsCommitted fails when routes changed and docs/openapi.json
// did not.
func TestDescriptionIsCommitted(t *testing.T) {
	t.Parallel()
	want, err := description()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "openapi.json"))
	if err != nil || string(got) != string(want) {
		t.Errorf("docs/openapi.json is not up to date (%v): run `go run ./portal/cmd/portal openapi > docs/openapi.json`", err)
	}
}

// TestAbsentModules shows that a module that is not served here says so, to
// those who might have called it, and the others go on.
func TestAbsentModules(t *testing.T) {
	t.Parallel()
	w := newWhole(t, moduleIdentity, moduleFlows)
	if stranger := portaltest.NewAgent(t, w.URL).Get(t, "/apikeys"); stranger.Status != 401 {
		t.Errorf("a stranger: %d", stranger.Status)
	}
	agent, _ := w.SignUp(t, "one@example.com")
	if absent := agent.Get(t, "/apikeys"); absent.Status != 503 || !strings.Contains(absent.Body, "vault") {
		t.Errorf("the absent vault: %d %s", absent.Status, absent.Body)
	}
	if there := agent.Get(t, "/flows"); there.Status != 200 {
		t.Errorf("the flows that are there: %d %s", there.Status, there.Body)
	}
}
