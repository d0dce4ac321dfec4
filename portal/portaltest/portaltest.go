// Package portaltest serves parts of the portal for tests: a real database, a
// real Redis, real HTTP; only the cluster is a fake that speaks server-side
// apply.
package portaltest

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store/storetest"
	"github.com/weft-run/weft/runtime/request"
)

const redisEnv = "WEFT_TEST_REDIS_URL"

// Portal is a portal under test.
type Portal struct {
	Deps     server.Deps
	Database *storetest.Database
	Identity *identity.Service
	Keys     keys.Identity
	Requests keys.Request
	// URL is where it is served.
	URL string
	// Log is everything that was logged.
	Log *Log
	// Clock is what it takes for the time.
	Clock *Clock

	cachePrefix string
}

// Clock is a clock that a test can put forward.
type Clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// Advance puts the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Log keeps what is logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps it.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns it all.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Redis returns a client of the test server. Without one, the test is skipped.
func Redis(tb testing.TB) *redis.Client {
	tb.Helper()
	address := os.Getenv(redisEnv)
	if address == "" {
		tb.Skip(redisEnv + " is not set")
	}
	c, err := server.OpenRedis(address)
	if err != nil {
		tb.Fatalf("opening Redis: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("closing Redis: %v", err)
		}
	})
	return c
}

// FakeCluster returns a cluster that holds the objects.
func FakeCluster(tb testing.TB, objects ...client.Object) client.WithWatch {
	tb.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			tb.Fatalf("registering the kinds: %v", err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

// New prepares a portal without serving it.
func New(tb testing.TB, options ...func(*Portal)) *Portal {
	tb.Helper()
	p := &Portal{Database: storetest.New(tb), Log: &Log{}, Clock: &Clock{}, cachePrefix: "weft-test-" + strings.ToLower(rand.Text()[:8]) + ":"}
	address, err := url.Parse("http://localhost:30080")
	if err != nil {
		tb.Fatal(err)
	}
	gateway, err := url.Parse("http://localhost:30081")
	if err != nil {
		tb.Fatal(err)
	}
	cluster := FakeCluster(tb)
	p.Deps = server.Deps{
		Store: p.Database.Store, Redis: Redis(tb), Kube: cluster, Cache: cluster,
		Site: server.Site{Portal: address, Gateway: gateway, SystemNamespace: "weft-system"},
		Log:  slog.New(slog.NewTextHandler(p.Log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: p.Clock.Now,
	}
	for _, option := range options {
		option(p)
	}
	p.keys(tb)
	p.Identity = p.NewIdentity(tb)
	return p
}

func (p *Portal) keys(tb testing.TB) {
	tb.Helper()
	made, err := keys.NewIdentity()
	if err == nil {
		p.Keys, err = keys.ParseIdentity(made)
	}
	if err != nil {
		tb.Fatalf("making identity keys: %v", err)
	}
	if made, err = keys.NewRequest(); err == nil {
		p.Requests, err = keys.ParseRequest(made)
	}
	if err != nil {
		tb.Fatalf("making request keys: %v", err)
	}
}

// NewIdentity returns another replica of the identity module.
func (p *Portal) NewIdentity(tb testing.TB) *identity.Service {
	tb.Helper()
	service, err := identity.New(identity.Config{
		Store: p.Deps.Store, Redis: p.Deps.Redis, CachePrefix: p.cachePrefix,
		Keys: p.Keys, Site: p.Deps.Site, Log: p.Deps.Log, Now: p.Deps.Now,
	})
	if err != nil {
		tb.Fatalf("preparing the identity module: %v", err)
	}
	return service
}

// IdentityRoutes returns the table of the identity module.
func (p *Portal) IdentityRoutes(tb testing.TB) []server.Route {
	tb.Helper()
	trust, err := p.Requests.Trust()
	if err != nil {
		tb.Fatalf("reading the request keys: %v", err)
	}
	return identity.Routes(identity.Deps{Deps: p.Deps, Service: p.Identity, Trust: trust})
}

// TokenRoute returns a page that shows nothing but the token for a form.
func (p *Portal) TokenRoute() server.Route {
	return server.Route{
		Method: http.MethodGet, Pattern: "/test-token", Access: server.Public("for tests"), Summary: "A form's token",
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			return server.JSON(w, http.StatusOK, map[string]string{"token": p.Deps.Site.CSRFToken(w, r)})
		},
	}
}

// Serve serves a table, with this portal's identity module deciding.
func (p *Portal) Serve(tb testing.TB, routes []server.Route) string {
	tb.Helper()
	p.URL = p.ServeWith(tb, p.Identity, routes)
	return p.URL
}

// ServeWith serves a table, with a verifier of the caller's.
func (p *Portal) ServeWith(tb testing.TB, v identity.Verifier, routes []server.Route) string {
	tb.Helper()
	handler, err := server.New(server.Options{
		Routes: routes, Authenticator: identity.NewAuthenticator(v, p.Deps.Site), Pages: p.Deps.Pages, Site: p.Deps.Site, Log: p.Deps.Log,
		Parse: func(r *http.Request) error { _, err := request.Parse(r); return err },
	})
	if err != nil {
		tb.Fatalf("preparing the server: %v", err)
	}
	listening := httptest.NewServer(handler)
	tb.Cleanup(listening.Close)
	return listening.URL
}

// Password of everybody that SignUp makes.
const Password = "correct horse battery"

// SignUp makes an account and returns an agent that holds its session cookie
// and token, and the answer.
func (p *Portal) SignUp(tb testing.TB, email string) (*Agent, Answer) {
	tb.Helper()
	return SignUp(tb, p.URL, email)
}

// SignUp makes an account at an address.
func SignUp(tb testing.TB, base, email string) (*Agent, Answer) {
	tb.Helper()
	agent := NewAgent(tb, base)
	answer := agent.JSON(tb, "/signup", map[string]string{"name": "John Doe", "email": email, "birth": "17/12/1990", "password": Password})
	if answer.Status != http.StatusOK {
		tb.Fatalf("signing up: %d %s", answer.Status, answer.Body)
	}
	agent.Bearer = answer.Text(tb, "jwt")
	return agent, answer
}

// Eventually waits until ok, looking often, and fails the test after a while.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatalf("did not happen in time: %s", what)
		case <-ticker.C:
		}
	}
}
