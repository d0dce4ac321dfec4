// Package webtest serves the whole portal for tests of flows and pages: a real
// database, a real Redis, real HTTP, and the real test runtime in this process.
// Only the cluster is a fake that speaks server-side apply.
package webtest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/portal/web"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/requesttoken"
	runtimeserver "github.com/weft-run/weft/runtime/server"
)

// World is a portal with everything behind it.
type World struct {
	*portaltest.Portal
	Flows   *flows.Module
	Vault   *vault.Vault
	Events  *realtime.Log
	Catalog *catalog.Catalog
	Site    *web.Site
	// Routes is the whole table.
	Routes []server.Route

	runtime  *httptest.Server
	handler  atomic.Pointer[runtimeserver.Server]
	reviewed atomic.Pointer[string]
	trust    string
}

// New serves a portal.
func New(t testing.TB, options ...func(*portaltest.Portal)) *World {
	t.Helper()
	w := &World{Portal: portaltest.New(t, options...)}
	w.runtime = httptest.NewServer(http.HandlerFunc(w.serveRuntime))
	t.Cleanup(w.runtime.Close)
	w.modules(t)
	w.background(t)
	w.Serve(t, w.Routes)
	return w
}

func (w *World) modules(t testing.TB) {
	t.Helper()
	var err error
	if w.Catalog, err = components.Catalog(); err != nil {
		t.Fatalf("preparing the catalogue: %v", err)
	}
	w.Vault = newVault(t, w)
	w.Events = realtime.NewLog(w.Deps.Redis, "weft-test-"+uuid.NewString()+":")
	w.Site, err = web.New(web.Options{Site: w.Deps.Site, Catalog: w.Catalog, Keys: w.Vault, KeyUses: w.Deps.Store, Log: w.Deps.Log})
	if err != nil {
		t.Fatalf("preparing the pages: %v", err)
	}
	w.Deps.Pages = w.Site
	signer, err := w.Requests.Signer()
	if err != nil {
		t.Fatalf("preparing the signer: %v", err)
	}
	w.Flows = flows.New(flows.Deps{
		Deps: w.Deps, Catalog: w.Catalog, Views: w.Site, Keys: vaultKeys{w.Vault}, Minter: signer, EventLog: w.Events,
		TestRuntimeURL: w.runtime.URL, Patience: 50 * time.Millisecond,
	})
	trust, err := w.Requests.Trust()
	if err != nil {
		t.Fatalf("reading the request keys: %v", err)
	}
	w.trust = writeTrust(t, trust)
	w.Routes = append(w.IdentityRoutes(t), w.TokenRoute())
	w.Routes = append(w.Routes, vault.Routes(vault.Deps{
		Deps: w.Deps, Vault: w.Vault, Reviewer: w, RequestTokens: requesttoken.NewVerifier(trust), Cluster: w.Deps.Cache,
	})...)
	w.Routes = append(w.Routes, w.Flows.Routes()...)
	w.Routes = append(w.Routes, realtime.Routes(realtime.Deps{Deps: w.Deps, Verifier: w.Identity, EventLog: w.Events})...)
	w.Routes = append(w.Routes, w.Site.Routes(w.Flows)...)
}

func newVault(t testing.TB, w *World) *vault.Vault {
	t.Helper()
	made, err := keys.NewVault()
	if err != nil {
		t.Fatalf("making the vault's key: %v", err)
	}
	kek, err := keys.ParseVault(made)
	if err != nil {
		t.Fatalf("reading the vault's key: %v", err)
	}
	v, err := vault.New(t.Context(), w.Deps.Store, kek, func() {})
	if err != nil {
		t.Fatalf("preparing the vault: %v", err)
	}
	return v
}

func writeTrust(t testing.TB, trust requesttoken.KeySet) string {
	t.Helper()
	data, err := json.Marshal(trust)
	if err != nil {
		t.Fatalf("encoding the public keys: %v", err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatalf("writing the public keys: %v", err)
	}
	return file
}

// background starts the modules' work and ends it before the database goes.
func (w *World) background(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	work := w.Flows.Background()
	for _, b := range work {
		go func() {
			defer func() { done <- struct{}{} }()
			if err := b.Run(ctx); err != nil {
				t.Errorf("%s: %v", b.Name, err)
			}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range work {
			<-done
		}
	})
}

// serveRuntime stands where the workspace's Service does: until a runtime is
// started behind it, it refuses like a Service without pods.
func (w *World) serveRuntime(rw http.ResponseWriter, r *http.Request) {
	if handler := w.handler.Load(); handler != nil {
		handler.ServeHTTP(rw, r)
		return
	}
	rw.WriteHeader(http.StatusServiceUnavailable)
}

// StartRuntime starts the test runtime of an agent's workspace. It may reach
// this machine itself, where tests have their services.
func (w *World) StartRuntime(t testing.TB, agent *portaltest.Agent) {
	t.Helper()
	workspace, id := w.Workspace(t, agent)
	uid := uuid.NewString()
	if err := w.Deps.Store.WorkspaceProvisioned(t.Context(), id, uid, time.Now()); err != nil {
		t.Fatalf("noting the workspace's UID: %v", err)
	}
	object := &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: workspace, UID: types.UID(uid)}}
	if err := w.Deps.Kube.Create(t.Context(), object); err != nil {
		t.Fatalf("making the Workspace object: %v", err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("service-account-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	account := "system:serviceaccount:weft-ws-" + workspace + ":weft-test-runtime"
	w.reviewed.Store(&account)
	cfg := runtimeserver.Config{
		Mode: runtimeserver.ModeTest, Workspace: workspace, Name: "weft-test-runtime", Audience: uid,
		TrustFile: w.trust, VaultURL: w.URL, VaultTokenFile: token, EgressAllow: []string{"127.0.0.1"},
	}.WithDefaults()
	runtime, err := runtimeserver.New(cfg, w.Deps.Log)
	if err != nil {
		t.Fatalf("starting the test runtime: %v", err)
	}
	w.handler.Store(runtime)
}

// Review is the cluster's answer to a service account's token.
func (w *World) Review(context.Context, string, string) (string, bool, error) {
	account := w.reviewed.Load()
	if account == nil {
		return "", false, nil
	}
	return *account, true, nil
}

// Workspace returns the name and id of an agent's workspace.
func (w *World) Workspace(t testing.TB, agent *portaltest.Agent) (string, uuid.UUID) {
	t.Helper()
	account := agent.Get(t, "/account")
	id, err := uuid.Parse(account.Text(t, "user", "workspace", "id"))
	if err != nil {
		t.Fatalf("reading the workspace of an account: %v in %s", err, account.Body)
	}
	return account.Text(t, "user", "workspace", "name"), id
}

// Browser signs somebody up and returns their browser: a session cookie, and
// HTML wherever there is some.
func (w *World) Browser(t testing.TB, email string) *Browser {
	t.Helper()
	agent, _ := w.SignUp(t, email)
	program := *agent
	agent.Bearer = ""
	return &Browser{Agent: agent, Program: &program, base: w.URL}
}

// Browser is a browser without scripting.
type Browser struct {
	*portaltest.Agent
	// Program is the same person's program, with a token.
	Program *portaltest.Agent
	base    string
}

// HTML is what a browser accepts.
const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// Open loads a page.
func (b *Browser) Open(t testing.TB, path string, options ...func(*http.Request)) portaltest.Answer {
	t.Helper()
	return b.Get(t, path, append([]func(*http.Request){portaltest.With("Accept", HTML)}, options...)...)
}

// Submit sends a form with the session's token, and follows to the page that
// shows the result.
func (b *Browser) Submit(t testing.TB, path string, form url.Values) (portaltest.Answer, string) {
	t.Helper()
	answer := b.Send(t, path, form)
	location := answer.Header.Get("Location")
	if answer.Status != http.StatusSeeOther {
		return answer, ""
	}
	return b.Open(t, location), location
}

// Send sends a form with the session's token.
func (b *Browser) Send(t testing.TB, path string, form url.Values) portaltest.Answer {
	t.Helper()
	sent := url.Values{"csrf_token": {b.Token(t)}}
	maps.Copy(sent, form)
	return b.Form(t, path, sent, portaltest.With("Accept", HTML), portaltest.With("Origin", b.base), portaltest.With("Sec-Fetch-Site", "same-origin"))
}

// Token returns the token that a form of this browser must carry.
func (b *Browser) Token(t testing.TB) string {
	t.Helper()
	return b.Get(t, "/test-token").Text(t, "token")
}

type vaultKeys struct{ vault *vault.Vault }

func (k vaultKeys) ListKeys(ctx context.Context, who identity.Subject) ([]flows.Key, error) {
	stored, err := k.vault.List(ctx, who.Workspace.ID, nil, 200)
	if err != nil {
		return nil, err
	}
	found := make([]flows.Key, len(stored))
	for i, key := range stored {
		found[i] = flows.Key{Name: key.Reference, Title: key.Name, Provider: key.Provider, Last4: key.Last4}
	}
	return found, nil
}

func (k vaultKeys) StoreKey(ctx context.Context, who identity.Subject, title, provider, value string) (flows.Key, error) {
	owner := vault.Owner{Workspace: who.Workspace.ID, User: who.UserID, Actor: who.Actor()}
	key, err := k.vault.Paste(ctx, owner, title, provider, catalog.NewSecret(value))
	if err != nil {
		return flows.Key{}, err
	}
	return flows.Key{Name: key.Reference, Title: key.Name, Provider: key.Provider, Last4: key.Last4}, nil
}
