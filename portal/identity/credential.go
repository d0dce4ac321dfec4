package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/server"
)

const (
	sessionCookie = "weft-session"
	idBytes       = 16
	secretBytes   = 32
)

// credential is what a request shows: a session cookie or a bearer token.
type credential struct {
	bearer  string
	session uuid.UUID
	secret  []byte
	cookie  string
}

// credentialOf returns what the request shows, nil where it shows nothing, and
// a 401 for what is not well formed. A header that was set on purpose counts
// before a cookie that browsers send by themselves.
func credentialOf(r *http.Request, site server.Site) (*credential, error) {
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		return bearerOf(headers)
	}
	cookies := r.CookiesNamed(site.CookieName(sessionCookie))
	switch len(cookies) {
	case 0:
		return nil, nil //nolint:nilnil // nothing shown is an answer of its own
	case 1:
		return cookieCredential(cookies[0].Value)
	default:
		return nil, unauthorized()
	}
}

func bearerOf(headers []string) (*credential, error) {
	scheme, token, ok := strings.Cut(headers[0], " ")
	if len(headers) != 1 || !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, unauthorized()
	}
	return &credential{bearer: token}, nil
}

// cookieCredential reads a cookie: the session's id and its secret.
func cookieCredential(value string) (*credential, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(raw) != idBytes+secretBytes {
		return nil, unauthorized()
	}
	return &credential{session: uuid.UUID(raw[:idBytes]), secret: raw[idBytes:], cookie: value}, nil
}

func cookieValue(session uuid.UUID, secret []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(session[:], secret...))
}

func digest(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

func unauthorized() *server.Error {
	return server.Unauthorized("Your session is over or the credential is not valid. Please sign in again.")
}
