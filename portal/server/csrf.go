package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
)

// Names under which a page sends its token back.
const (
	// CSRFField is the hidden field of a form.
	CSRFField = "csrf_token"
	// CSRFHeader is the header of a script's request.
	CSRFHeader = "X-Csrf-Token"
)

// visitorCookie ties forms to a browser before anybody is signed in.
const visitorCookie = "weft-visitor"

// CSRFToken returns the token that a form on this page must carry. It belongs
// to the session or, before there is one, to a cookie that it sets where it is
// missing; so it must be called before the page's first byte is written.
func (s Site) CSRFToken(w http.ResponseWriter, r *http.Request) string {
	if key, ok := r.Context().Value(csrfContextKey).([]byte); ok {
		return csrfToken(key)
	}
	if key := s.visitorKey(r); key != nil {
		return csrfToken(key)
	}
	value := rand.Text() + rand.Text()
	http.SetCookie(w, s.Cookie(visitorCookie, value, 0))
	// A second form on the same page must find the same value.
	r.AddCookie(s.Cookie(visitorCookie, value, 0))
	return csrfToken([]byte(value))
}

func (s Site) visitorKey(r *http.Request) []byte {
	cookie, err := r.Cookie(s.CookieName(visitorCookie))
	if err != nil || len(cookie.Value) < 32 {
		return nil
	}
	return []byte(cookie.Value)
}

func csrfToken(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("weft csrf v1"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// checkCSRF refuses a request that a foreign page could have made the caller's
// browser send. Two things are looked at: what the browser says of the origin,
// and, since old browsers say nothing, a token that only our pages know.
//
// A request needs the token when a cookie is its credential, and when it is a
// form, which any page can send. What remains is a program's request: with its
// credential in a header, or with JSON to a public route.
func (s *server) checkCSRF(route Route, r *http.Request) error {
	if err := s.crossOrigin.Check(r); err != nil {
		return refusedCSRF("The request came from another site.", err)
	}
	key, byCookie := r.Context().Value(csrfContextKey).([]byte)
	if !byCookie && r.Header.Get("Authorization") != "" {
		return nil
	}
	if !isForm(r) && (!byCookie || route.Access.IsPublic()) {
		return nil
	}
	if !byCookie {
		key = s.site.visitorKey(r)
	}
	sent := r.Header.Get(CSRFHeader)
	if sent == "" && isForm(r) {
		sent = r.PostForm.Get(CSRFField)
	}
	if key == nil || !hmac.Equal([]byte(sent), []byte(csrfToken(key))) {
		return refusedCSRF("The form has expired. Please load the page again and send it once more.", nil)
	}
	return nil
}

func refusedCSRF(message string, cause error) *Error {
	return &Error{Status: http.StatusForbidden, Message: message, Cause: cause}
}
