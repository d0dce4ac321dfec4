package web

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// FlowPager lists flows for Home. *flows.Module has it.
type FlowPager interface {
	Page(r *http.Request, who identity.Subject, before store.FlowCursor, size int) ([]flows.Summary, string, error)
}

// rememberLanguage is how long a chosen language is remembered.
const rememberLanguage = 365 * 24 * time.Hour

// Routes returns the module's part of the table.
func (s *Site) Routes(pager FlowPager) []server.Route {
	page := func(pattern, summary string, h server.HandlerFunc) server.Route {
		return server.Route{Method: http.MethodGet, Pattern: pattern, Access: server.SignedIn(), Summary: summary, Handler: h}
	}
	open := func(pattern, summary, reason string, h server.HandlerFunc) server.Route {
		return server.Route{Method: http.MethodGet, Pattern: pattern, Access: server.Public(reason), Summary: summary, Handler: h}
	}
	return []server.Route{
		page("/{$}", "The start page.", func(w http.ResponseWriter, r *http.Request) error { return s.home(w, r, pager) }),
		page("/keys", "The page of keys.", s.keysPage),
		page("/settings", "The page of the account.", s.settingsPage),
		open("/login", "The page to sign in.", "it is where strangers sign in", s.loginPage),
		open("/signup", "The page to make an account.", "it is where strangers make an account", s.signupPage),
		open("/language", "Changes the language of the pages: ?to=en|es&back=PATH.", "strangers choose their language too", s.setLanguage),
		s.style.route(),
		s.script.route(),
	}
}

// setLanguage remembers a language. It changes nothing but how the pages of
// this browser read, so that a link may do it.
func (s *Site) setLanguage(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	to := query.Get("to")
	if !slices.Contains(languages[:], to) {
		return server.NotFound()
	}
	http.SetCookie(w, s.Options.Site.Cookie(languageCookie, to, rememberLanguage))
	server.Redirect(w, query.Get("back"))
	return nil
}

// formPage is what every page with one form has.
type formPage struct {
	// Form as it was sent, without secrets.
	Form url.Values
	// Message about the form as a whole.
	Message string
	wrong   map[string]string
	// Next is the page to go on to.
	Next string
}

// Wrong returns what is wrong with a field.
func (f formPage) Wrong(field string) string { return f.wrong[field] }

// newFormPage shows a form again as it was sent, with what is wrong with it.
func (l *language) newFormPage(p server.Problem) formPage {
	f := formPage{Form: p.Form, wrong: map[string]string{}}
	if f.Form == nil {
		f.Form = url.Values{}
	}
	if p.Err == nil {
		return f
	}
	for _, field := range p.Err.Fields {
		f.wrong[field.Field] = l.words.text(field.Message)
	}
	if len(p.Err.Fields) == 0 {
		f.Message = l.words.text(p.Err.Message)
	}
	return f
}

func (s *Site) loginPage(w http.ResponseWriter, r *http.Request) error {
	next := r.URL.Query().Get("next")
	if next != "" {
		next = server.LocalPath(next)
	}
	return s.showLogin(w, r, server.Problem{Form: url.Values{"next": {next}}})
}

func (s *Site) showLogin(w http.ResponseWriter, r *http.Request, p server.Problem) error {
	l := s.language(r)
	body := l.newFormPage(p)
	if body.Next = body.Form.Get("next"); body.Next != "" {
		body.Next = server.LocalPath(body.Next)
	}
	return s.render(w, r, page{Name: "login", Title: l.words.text("login.title"), Status: statusOf(p), Body: body})
}

func (s *Site) signupPage(w http.ResponseWriter, r *http.Request) error {
	return s.showSignup(w, r, server.Problem{})
}

func (s *Site) showSignup(w http.ResponseWriter, r *http.Request, p server.Problem) error {
	l := s.language(r)
	return s.render(w, r, page{Name: "signup", Title: l.words.text("signup.title"), Status: statusOf(p), Body: l.newFormPage(p)})
}

func (s *Site) settingsPage(w http.ResponseWriter, r *http.Request) error {
	return s.showSettings(w, r, server.Problem{})
}

func (s *Site) showSettings(w http.ResponseWriter, r *http.Request, p server.Problem) error {
	l := s.language(r)
	return s.render(w, r, page{Name: "settings", Here: "settings", Title: l.words.text("settings.title"), Status: statusOf(p), Body: l.newFormPage(p)})
}

func statusOf(p server.Problem) int {
	if p.Err == nil {
		return http.StatusOK
	}
	return p.Err.Status
}
