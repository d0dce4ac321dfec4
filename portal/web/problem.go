package web

import (
	"net/http"
	"strings"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
)

// problemPage says what happened and what to do.
type problemPage struct {
	Heading string
	Text    string
	Fields  []string
	// Again is the page to try once more, Back the one before it.
	Again string
	Back  string
}

// Problem renders an error. It is part of server.Pages.
func (s *Site) Problem(w http.ResponseWriter, r *http.Request, p server.Problem) {
	if err := s.showProblem(w, r, p); err != nil {
		s.Log.ErrorContext(r.Context(), "rendering an error page", "error", err)
		http.Error(w, p.Err.Message, p.Err.Status)
	}
}

func (s *Site) showProblem(w http.ResponseWriter, r *http.Request, p server.Problem) error {
	_, signedIn := identity.FromContext(r.Context())
	switch {
	case p.Page == "login":
		return s.showLogin(w, r, p)
	case p.Page == "signup":
		return s.showSignup(w, r, p)
	case p.Page == "account" && signedIn:
		return s.showSettings(w, r, p)
	case p.Page == "keys" && signedIn:
		return s.showKeys(w, r, p)
	}
	return s.showError(w, r, p.Err)
}

// refreshUnavailable is when the page of a part that is away loads anew by
// itself.
const refreshUnavailable = 5

func (s *Site) showError(w http.ResponseWriter, r *http.Request, e *server.Error) error {
	l := s.language(r)
	body := problemPage{Heading: l.words.text(headingOf(e.Status)), Text: l.words.text(e.Message), Back: backOf(r, s.Options.Site)}
	for _, field := range e.Fields {
		body.Fields = append(body.Fields, l.words.text(field.Message))
	}
	if len(body.Fields) == 1 {
		body.Fields = nil
	}
	p := page{Name: "problem", Title: body.Heading, Status: e.Status}
	if r.Method == http.MethodGet && e.Status == http.StatusServiceUnavailable {
		body.Again, p.Refresh = r.URL.RequestURI(), refreshUnavailable
	}
	p.Body = body
	return s.render(w, r, p)
}

func headingOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "problem.not-found"
	case http.StatusConflict:
		return "problem.conflict"
	case http.StatusForbidden, http.StatusUnauthorized:
		return "problem.forbidden"
	case http.StatusTooManyRequests:
		return "problem.too-many"
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return "problem.unavailable"
	}
	if status >= http.StatusInternalServerError {
		return "problem.internal"
	}
	return "problem.invalid"
}

// backOf returns the page that a form was sent from, where the browser says so
// and it is one of ours.
func backOf(r *http.Request, site server.Site) string {
	path, ok := strings.CutPrefix(r.Referer(), strings.TrimSuffix(site.Portal.String(), "/"))
	if !ok || r.Method == http.MethodGet || !strings.HasPrefix(path, "/") {
		return ""
	}
	return server.LocalPath(path)
}
