package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Options are the parts of a server.
type Options struct {
	// Routes is the whole table.
	Routes []Route
	// Authenticator decides who calls.
	Authenticator Authenticator
	// Parse refuses requests whose path or host can be read in two ways,
	// before anything is decided by them.
	Parse func(r *http.Request) error
	// Pages renders HTML. Nil where this server has none: errors are JSON then.
	Pages Pages
	// Site says where the system is reached.
	Site Site
	// Log gets one line for each request that failed on our side.
	Log *slog.Logger
	// Metrics counts requests. Nil counts nothing.
	Metrics *Metrics
}

type server struct {
	auth        Authenticator
	parse       func(r *http.Request) error
	pages       Pages
	site        Site
	log         *slog.Logger
	metrics     *Metrics
	crossOrigin *http.CrossOriginProtection
}

// New checks the table and returns the handler that serves it. A request that
// no route of the table matches gets an identity decision like every other:
// 401 for strangers, and only then 404 or 405.
func New(o Options) (http.Handler, error) {
	if err := Check(o.Routes); err != nil {
		return nil, fmt.Errorf("the table of routes: %w", err)
	}
	if o.Authenticator == nil || o.Parse == nil || o.Log == nil || o.Site.Portal == nil {
		return nil, errors.New("a server needs an authenticator, a request parser, a log and its site")
	}
	s := &server{
		auth: o.Authenticator, parse: o.Parse, pages: o.Pages, site: o.Site, log: o.Log, metrics: o.Metrics,
		crossOrigin: http.NewCrossOriginProtection(),
	}
	var table matcher
	for _, route := range o.Routes {
		if err := table.add(route, s.serve(route)); err != nil {
			return nil, fmt.Errorf("the table of routes: %w", err)
		}
	}
	return s.outer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		table.serve(w, r, s.unmatched)
	})), nil
}

// unmatched answers what is not in the table, to those who are signed in.
func (s *server) unmatched(methods []string) http.Handler {
	return s.serve(Route{Pattern: "/", Access: SignedIn(), Handler: func(w http.ResponseWriter, _ *http.Request) error {
		if len(methods) == 0 {
			return NotFound()
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		return &Error{Status: http.StatusMethodNotAllowed, Message: "This address does not take this method."}
	}})
}

// outer is what every request passes before a route is chosen.
func (s *server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header(), s.site)
		if err := s.parse(r); err != nil {
			s.fail(Route{}, w, r, &Error{Status: http.StatusBadRequest, Message: "The address of this request can be read in more than one way.", Cause: err})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve is what every request passes once its route is known.
func (s *server) serve(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observed := &observedWriter{ResponseWriter: w}
		start := time.Now()
		defer func() { s.metrics.observe(route, observed.code(), time.Since(start)) }()
		defer s.recovered(route, observed, r)
		r.Body = http.MaxBytesReader(observed, r.Body, route.maxBody())
		if err := s.answer(route, observed, r); err != nil {
			s.fail(route, observed, r, err)
		}
	})
}

func (s *server) answer(route Route, w http.ResponseWriter, r *http.Request) error {
	*r = *r.WithContext(context.WithValue(r.Context(), routeContextKey, route))
	identified, err := s.authenticated(route, r)
	if err != nil {
		return err
	}
	*r = *identified
	if isForm(r) {
		if err := r.ParseForm(); err != nil {
			return bodyError(err)
		}
	}
	if route.Mutates || route.Access.IsPublic() && r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := s.checkCSRF(route, r); err != nil {
			return err
		}
	}
	return route.Handler(w, r)
}

// recovered turns a panic into a 500. What was panicked with may hold what the
// user sent, so only its type and the stack are logged.
func (s *server) recovered(route Route, w *observedWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	s.log.ErrorContext(r.Context(), "a handler panicked", "route", route.Method+" "+route.Pattern, "type", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
	if w.status == 0 {
		s.fail(route, w, r, &Error{Status: http.StatusInternalServerError, Message: "Something went wrong on our side. Please try again."})
	}
}

// logFailure records failures of ours, never what was sent.
func (s *server) logFailure(route Route, r *http.Request, e *Error) {
	if e.Status < http.StatusInternalServerError {
		return
	}
	s.log.ErrorContext(r.Context(), "request failed", "route", route.Method+" "+route.Pattern, "status", e.Status, "error", e.Cause)
}

// secure sets the headers that every answer carries.
func secure(h http.Header, site Site) {
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if site.SecureCookies() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// observedWriter remembers the status and lets the real writer's abilities
// through http.ResponseController.
type observedWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *observedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts as 200 where no status was written.
func (w *observedWriter) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap leads to the real writer.
func (w *observedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *observedWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
