package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/portal/store"
)

// Deps is what the modules share. Each module's own Deps embeds it and adds
// what it alone needs.
type Deps struct {
	// Store is the database.
	Store *store.Store
	// Redis caches; whatever it holds can be lost.
	Redis redis.UniversalClient
	// Kube writes to the cluster and reads what nobody watches.
	Kube client.Client
	// Cache reads Flows and Workspaces from a watched copy.
	Cache client.Reader
	// Pages renders HTML. Nil where the web module does not run here.
	Pages Pages
	// Site says where portal and gateway are reached.
	Site Site
	// Log for events; never for what users send.
	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// Site says where the system is reached.
type Site struct {
	// Portal and Gateway are the addresses that browsers use.
	Portal, Gateway *url.URL
	// SystemNamespace is where the portal itself runs.
	SystemNamespace string
}

// SecureCookies tells whether browsers reach the portal by https, so that
// cookies must not travel otherwise.
func (s Site) SecureCookies() bool { return s.Portal.Scheme == "https" }

// CookieName returns the name under which a cookie is set.
func (s Site) CookieName(name string) string {
	if s.SecureCookies() {
		return "__Host-" + name
	}
	return name
}

// Cookie returns a cookie with the attributes that all of ours have. It ends
// with the browser when maxAge is zero, and at once when it is negative.
func (s Site) Cookie(name, value string, maxAge time.Duration) *http.Cookie {
	cookie := &http.Cookie{ //nolint:gosec // Secure follows the address: browsers drop secure cookies of http://localhost
		Name: s.CookieName(name), Value: value, Path: "/",
		HttpOnly: true, Secure: s.SecureCookies(), SameSite: http.SameSiteLaxMode,
		MaxAge: int(maxAge / time.Second),
	}
	if maxAge < 0 {
		cookie.MaxAge = -1
	}
	return cookie
}

// Background is work that goes on beside the requests until ctx ends. It
// returns nil then, and an error only when it cannot go on at all.
type Background struct {
	Name string
	Run  func(ctx context.Context) error
}

// Pages renders HTML for browsers. The web module implements it.
type Pages interface {
	// Problem renders an error: the page of that name again, with its form as
	// it was sent and the messages beside the fields, or an error page where
	// Problem.Page is empty. It writes the whole answer.
	Problem(w http.ResponseWriter, r *http.Request, p Problem)
}

// Problem is an error for a browser.
type Problem struct {
	// Page names the page whose form was sent; see Route.Page.
	Page string
	// Err is what happened.
	Err *Error
	// Form is what was sent, without secrets and tokens.
	Form url.Values
}
