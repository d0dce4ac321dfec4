package server

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Result is what a handler answers.
type Result struct {
	// Status of the JSON answer. Default 200.
	Status int
	// Body is the JSON answer.
	Body any
	// Location is the page that shows the result to a browser that sent a
	// form, as a path on this site.
	Location string
	// Message is shown there once.
	Message string
}

// Reply answers in kind: JSON to a program, a redirect to a browser's form.
func (s Site) Reply(w http.ResponseWriter, r *http.Request, result Result) error {
	if result.Location != "" && isForm(r) && !wantsJSON(r) {
		if result.Message != "" {
			s.SetFlash(w, result.Message)
		}
		Redirect(w, result.Location)
		return nil
	}
	if result.Status == 0 {
		result.Status = http.StatusOK
	}
	return JSON(w, result.Status, result.Body)
}

// JSON writes a JSON answer.
func JSON(w http.ResponseWriter, status int, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	writeBody(w, status, "application/json; charset=utf-8", append(data, '\n'))
	return nil
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A client that went away is no error of ours.
	if _, err := w.Write(body); err != nil {
		slog.Debug("writing an answer", "error", err)
	}
}

// Redirect sends a browser on to a page of this site, by GET.
func Redirect(w http.ResponseWriter, location string) {
	w.Header().Set("Location", LocalPath(location))
	w.WriteHeader(http.StatusSeeOther)
}

// LocalPath returns a path on this site, and "/" for everything that a browser
// might take for an address elsewhere.
func LocalPath(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" ||
		!strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") ||
		strings.ContainsAny(location, "\\\r\n\t") {
		return "/"
	}
	return location
}

// wantsJSON tells whether the caller asks for JSON by name.
func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") || strings.Contains(accept, "application/problem+json")
}

// WantsHTML tells whether a person's browser should get a page: it sent a form,
// or it asks for HTML.
func WantsHTML(r *http.Request) bool {
	if wantsJSON(r) {
		return false
	}
	return isForm(r) || strings.Contains(r.Header.Get("Accept"), "text/html")
}

const flashCookie = "weft-flash"

// SetFlash leaves a message for the next page.
func (s Site) SetFlash(w http.ResponseWriter, message string) {
	http.SetCookie(w, s.Cookie(flashCookie, base64.RawURLEncoding.EncodeToString([]byte(message)), time.Minute))
}

// TakeFlash returns the message that was left for this page and removes it. It
// is text that a caller could have made up: escape it.
func (s Site) TakeFlash(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(s.CookieName(flashCookie))
	if err != nil || cookie.Value == "" {
		return ""
	}
	http.SetCookie(w, s.Cookie(flashCookie, "", -1))
	message, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(message) > 500 {
		return ""
	}
	return string(message)
}

// fail answers an error in kind.
func (s *server) fail(route Route, w http.ResponseWriter, r *http.Request, err error) {
	e := asError(err)
	s.logFailure(route, r, e)
	if e.RetryAfter > 0 {
		seconds := max(1, int((e.RetryAfter+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	switch {
	case !WantsHTML(r) || s.pages == nil:
		writeProblem(w, r, e)
	case e.Status == http.StatusUnauthorized && !route.Access.IsPublic():
		Redirect(w, loginFor(r))
	default:
		s.pages.Problem(w, r, Problem{Page: route.Page, Err: e, Form: shownAgain(r, route)})
	}
}

// loginFor returns the login page, which leads back here where that makes
// sense: to a page, not to the sending of a form.
func loginFor(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path == "/" {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(r.URL.RequestURI())
}

func writeProblem(w http.ResponseWriter, r *http.Request, e *Error) {
	body := map[string]any{"success": "false", "message": e.Message}
	maps.Copy(body, e.Extra)
	if len(e.Fields) > 0 {
		body["errors"] = e.Fields
	}
	contentType := "application/json; charset=utf-8"
	if strings.Contains(r.Header.Get("Accept"), "application/problem+json") {
		contentType = "application/problem+json"
		body["title"], body["status"], body["detail"] = http.StatusText(e.Status), e.Status, e.Message
	}
	data, err := json.Marshal(body)
	if err != nil {
		data = []byte(`{"success":"false","message":"Something went wrong on our side. Please try again."}`)
	}
	writeBody(w, e.Status, contentType, append(data, '\n'))
}
