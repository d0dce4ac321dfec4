package portaltest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/portal/server"
)

// Answer is an answer with its body read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// JSON decodes the body.
func (a Answer) JSON(tb testing.TB) map[string]any {
	tb.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		tb.Fatalf("answer %d is not a JSON object: %q", a.Status, a.Body)
	}
	return body
}

// Text returns a text of the JSON body, by the names that lead to it.
func (a Answer) Text(tb testing.TB, path ...string) string {
	tb.Helper()
	var at any = a.JSON(tb)
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	text, _ := at.(string)
	return text
}

// Agent is a client with cookies of its own: a browser, or a program.
type Agent struct {
	Base   string
	Client *http.Client
	// Bearer is sent as Authorization, where it is set.
	Bearer string
	// CSRF is sent as header, where it is set.
	CSRF string
}

// NewAgent returns a client that has been nowhere yet.
func NewAgent(tb testing.TB, base string) *Agent {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatalf("making a cookie jar: %v", err)
	}
	return &Agent{Base: base, Client: &http.Client{
		Jar: jar, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends a request. Options change it before it is sent.
func (a *Agent) Do(tb testing.TB, method, path, contentType, body string, options ...func(*http.Request)) Answer {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, a.Base+path, strings.NewReader(body))
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if a.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+a.Bearer)
	}
	if a.CSRF != "" {
		r.Header.Set(server.CSRFHeader, a.CSRF)
	}
	for _, option := range options {
		option(r)
	}
	response, err := a.Client.Do(r)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		tb.Fatalf("reading the answer of %s %s: %v", method, path, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(data)}
}

// Get sends a GET.
func (a *Agent) Get(tb testing.TB, path string, options ...func(*http.Request)) Answer {
	tb.Helper()
	return a.Do(tb, http.MethodGet, path, "", "", options...)
}

// JSON posts a JSON body.
func (a *Agent) JSON(tb testing.TB, path string, body any, options ...func(*http.Request)) Answer {
	tb.Helper()
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(body); err != nil {
		tb.Fatalf("encoding the body for %s: %v", path, err)
	}
	return a.Do(tb, http.MethodPost, path, "application/json", out.String(), options...)
}

// Form posts a form, as it is.
func (a *Agent) Form(tb testing.TB, path string, form url.Values, options ...func(*http.Request)) Answer {
	tb.Helper()
	return a.Do(tb, http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode(), options...)
}

// Cookie returns the value of a cookie.
func (a *Agent) Cookie(tb testing.TB, name string) string {
	tb.Helper()
	base, err := url.Parse(a.Base)
	if err != nil {
		tb.Fatal(err)
	}
	for _, cookie := range a.Client.Jar.Cookies(base) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// With sets a header.
func With(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}
