// Package server is the portal's HTTP front: one table of routes as data, the
// middleware that every request passes, strict binding of JSON and form bodies,
// and answers in kind.
//
// It knows nothing of what the routes do. The modules (identity, vault, flows,
// web…) each return their part of the table; New assembles the whole.
package server

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// HandlerFunc answers a request, or says what went wrong. An *Error is told to
// the caller; any other error becomes a 500 or 503 whose cause is only logged.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Guard makes the identity decision of a route that programs call with a
// credential of their own kind. It returns the request with what it learned in
// its context, or an error that is answered instead.
type Guard func(r *http.Request) (*http.Request, error)

type accessKind int

const (
	accessUnset accessKind = iota
	accessPublic
	accessSignedIn
	accessAdministrator
	accessGuarded
)

// Access says who may call a route. Its zero value is nobody, and a table with
// such a route is refused.
type Access struct {
	kind   accessKind
	reason string
	guard  Guard
}

// Public lets everybody call. The reason is for the reader of the list; the
// route's path must be exact.
func Public(reason string) Access { return Access{kind: accessPublic, reason: reason} }

// SignedIn lets holders of a session or of an access token call.
func SignedIn() Access { return Access{kind: accessSignedIn} }

// Administrator lets signed-in administrators call. Others get what they get
// for a route that does not exist.
func Administrator() Access { return Access{kind: accessAdministrator} }

// Service lets those call whom the guard accepts: programs with a credential
// of their own kind. The reason says which.
func Service(reason string, guard Guard) Access {
	return Access{kind: accessGuarded, reason: reason, guard: guard}
}

// IsPublic tells whether everybody may call.
func (a Access) IsPublic() bool { return a.kind == accessPublic }

// String names the access for lists and documentation.
func (a Access) String() string {
	switch a.kind {
	case accessPublic:
		return "public: " + a.reason
	case accessSignedIn:
		return "signed in"
	case accessAdministrator:
		return "administrator"
	case accessGuarded:
		return "service: " + a.reason
	default:
		return "unset"
	}
}

// Route is one entry of the table.
type Route struct {
	// Method and Pattern as http.ServeMux knows them; no host, no trailing
	// slash but for "/{$}".
	Method, Pattern string
	// Access is required.
	Access Access
	// Mutates says that a call changes something. Such routes demand the
	// session's token from browsers.
	Mutates bool
	// MaxBody bounds the request's body. Default 64 KiB.
	MaxBody int64
	// Page names the page whose form posts here; errors of a form post render
	// it again. Empty for routes that only programs call.
	Page string
	// Summary is one line for the documentation.
	Summary string
	// Request and Response are zero values of the bodies' types, for the
	// documentation. Nil where there is none or it is not JSON.
	Request, Response any
	// Handler answers.
	Handler HandlerFunc
}

const (
	defaultMaxBody = 64 << 10
	maxPublicPaths = 10
)

var patternShape = regexp.MustCompile(`^/(\{\$\}|[A-Za-z0-9._{}-]+(/[A-Za-z0-9._{}-]+)*(/\{[a-z]+\.\.\.\})?)?$`)

// Check says what is wrong with a table of routes.
func Check(routes []Route) error {
	seen := map[string]bool{}
	var public []string
	for _, route := range routes {
		name := route.Method + " " + route.Pattern
		if seen[name] {
			return fmt.Errorf("route %s is in the table twice", name)
		}
		seen[name] = true
		if err := route.check(); err != nil {
			return fmt.Errorf("route %s: %w", name, err)
		}
		if route.Access.IsPublic() && !slices.Contains(public, route.Pattern) {
			public = append(public, route.Pattern)
		}
	}
	if len(public) > maxPublicPaths {
		return fmt.Errorf("%d public paths, at most %d are allowed: %s", len(public), maxPublicPaths, strings.Join(public, " "))
	}
	return nil
}

func (r Route) check() error {
	unsafe := slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.Method)
	switch {
	case !unsafe && r.Method != http.MethodGet:
		return fmt.Errorf("method %q is not one of GET, POST, PUT, PATCH and DELETE", r.Method)
	case !patternShape.MatchString(r.Pattern):
		return errors.New("the pattern is not a plain path")
	case r.Handler == nil:
		return errors.New("it has no handler")
	case r.Access.kind == accessUnset:
		return errors.New("it does not say who may call")
	case r.Access.kind == accessPublic && (r.Access.reason == "" || strings.Contains(strings.TrimSuffix(r.Pattern, "{$}"), "{")):
		return errors.New("a public path is exact and has a reason")
	case r.Access.kind == accessGuarded && (r.Access.reason == "" || r.Access.guard == nil):
		return errors.New("a service's route has a reason and a guard")
	case r.Mutates && !unsafe:
		return fmt.Errorf("%s must not change anything", r.Method)
	case r.Summary == "":
		return errors.New("it has no summary")
	}
	return checkBodies(r)
}

func checkBodies(r Route) error {
	for _, body := range []any{r.Request, r.Response} {
		if body != nil && reflect.TypeOf(body).Kind() != reflect.Struct {
			return fmt.Errorf("bodies are described by a struct, not by a %T", body)
		}
	}
	return nil
}

func (r Route) maxBody() int64 {
	if r.MaxBody > 0 {
		return r.MaxBody
	}
	return defaultMaxBody
}
