package server

import (
	"context"
	"net/http"
)

// Authenticator decides who calls. The identity module implements it.
type Authenticator interface {
	// Authenticate returns nil and no error for a request without any
	// credential; an *Error with status 401 for one whose credential is not
	// good; and an *Error with status 503 when it cannot tell.
	Authenticate(r *http.Request) (*Caller, error)
}

// Caller is what the middleware must know of who calls.
type Caller struct {
	// Administrator of the whole installation.
	Administrator bool
	// CSRFKey is set for a caller who is known by a cookie, which browsers
	// send by themselves: such a caller must prove that the request was meant.
	CSRFKey []byte
	// Attach puts the subject into a context.
	Attach func(ctx context.Context) context.Context
}

type contextKey int

const (
	csrfContextKey contextKey = iota
	routeContextKey
)

// authenticated applies a route's Access.
func (s *server) authenticated(route Route, r *http.Request) (*http.Request, error) {
	if route.Access.kind == accessGuarded {
		return route.Access.guard(r)
	}
	if route.Access.kind == accessPublic {
		return s.attachQuietly(r), nil
	}
	caller, err := s.auth.Authenticate(r)
	switch {
	case err != nil:
		return nil, err
	case caller == nil:
		return nil, signInFirst()
	case route.Access.kind == accessAdministrator && !caller.Administrator:
		return nil, NotFound()
	case route.Access.kind == accessUnset:
		return nil, NotFound()
	}
	return attach(r, caller), nil
}

// attachQuietly tells a public page who is there, if somebody is: a bad or
// unverifiable credential counts as none.
func (s *server) attachQuietly(r *http.Request) *http.Request {
	caller, err := s.auth.Authenticate(r)
	if err != nil || caller == nil {
		return r
	}
	return attach(r, caller)
}

func attach(r *http.Request, caller *Caller) *http.Request {
	ctx := caller.Attach(r.Context())
	if caller.CSRFKey != nil {
		ctx = context.WithValue(ctx, csrfContextKey, caller.CSRFKey)
	}
	return r.WithContext(ctx)
}
