package requesttoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxText bounds every text claim but htu, in bytes.
	maxText = 256
	// maxPath bounds htu, in bytes.
	maxPath = 4096
	// maxKeys bounds the number of vault keys that one test run may use.
	maxKeys = 128
	// maxSeconds keeps a NumericDate within what every part can represent
	// (the end of the year 9999).
	maxSeconds = 253402300799
)

// Subjects that stand for no named caller, or begin one.
const (
	// SubjectAnonymous is the caller of a public flow without a credential.
	SubjectAnonymous = "anonymous"
	// SubjectUser stands before the id of a user.
	SubjectUser = "user:"
	// SubjectKey stands before the id of an endpoint key.
	SubjectKey = "key:"
	// SubjectConsumer stands before what a site's server calls its visitor.
	SubjectConsumer = "consumer:"
	// SubjectServiceAccount stands before namespace:name of a Kubernetes
	// ServiceAccount.
	SubjectServiceAccount = "serviceaccount:"
)

// Claims is what a request token says: who calls what, where, and for how
// long this may be believed.
type Claims struct {
	// Subject (sub) is one of user:<id>, key:<id>, consumer:<…>,
	// serviceaccount:<namespace>:<name>, anonymous.
	Subject string
	// Audience (aud) is the UID of the Flow, or of the Workspace for a test
	// run.
	Audience string
	// Method (htm) is the HTTP method that the token is good for.
	Method string
	// Path (htu) is the decision path, request.Target.Path, that the token is
	// good for.
	Path string
	// Workspace (ws) is the name of the workspace.
	Workspace string
	// Target (tgt) is the name of the flow, agent or test runtime.
	Target string
	// Keys (keys) are the names of the vault keys that a test run may use.
	Keys []string
	// Previews (prv) allows events with the input and output of components.
	Previews bool
	// IssuedAt (iat). Mint sets the present time where it is zero.
	IssuedAt time.Time
	// ExpiresAt (exp). Mint sets IssuedAt plus MaxLife where it is zero.
	ExpiresAt time.Time
}

// wire is the order and the names of the claims in a token.
type wire struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  string   `json:"aud"`
	IssuedAt  int64    `json:"iat"`
	ExpiresAt int64    `json:"exp"`
	Method    string   `json:"htm"`
	Path      string   `json:"htu"`
	Workspace string   `json:"ws"`
	Target    string   `json:"tgt"`
	Keys      []string `json:"keys,omitempty"`
	Previews  bool     `json:"prv,omitempty"`
}

var errClaims = errors.New("claims are not valid")

// UnmarshalJSON accepts exactly the claims that Mint writes: no further ones,
// none twice, and each of its own type. encoding/json alone would take the
// last of two equal names and ignore their case.
func (w *wire) UnmarshalJSON(data []byte) error {
	seen, err := object(data, map[string]func(json.RawMessage) error{
		"iss": text(&w.Issuer), "sub": text(&w.Subject), "aud": text(&w.Audience),
		"iat": seconds(&w.IssuedAt), "exp": seconds(&w.ExpiresAt),
		"htm": text(&w.Method), "htu": text(&w.Path),
		"ws": text(&w.Workspace), "tgt": text(&w.Target),
		"keys": texts(&w.Keys), "prv": truth(&w.Previews),
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"iss", "sub", "aud", "iat", "exp", "htm", "htu", "ws", "tgt"} {
		if !seen[name] {
			return fmt.Errorf("%w: %s is missing", errClaims, name)
		}
	}
	return nil
}

// check says what is wrong with the claims regardless of who asks and when.
func (w *wire) check() error {
	switch life := w.ExpiresAt - w.IssuedAt; {
	case w.Issuer != Issuer:
		return fmt.Errorf("%w: iss is not %q", errClaims, Issuer)
	case !validSubject(w.Subject):
		return fmt.Errorf("%w: sub names no kind of caller", errClaims)
	case !printable(w.Audience, maxText), !printable(w.Workspace, maxText), !printable(w.Target, maxText):
		return fmt.Errorf("%w: aud, ws and tgt must be printable and not empty", errClaims)
	case !validMethod(w.Method):
		return fmt.Errorf("%w: htm is not a method", errClaims)
	case !printable(w.Path, maxPath) || w.Path[0] != '/':
		return fmt.Errorf("%w: htu is not a path", errClaims)
	case life <= 0 || life > int64(MaxLife/time.Second):
		return fmt.Errorf("%w: exp must be after iat by at most %s", errClaims, MaxLife)
	}
	return checkKeys(w.Keys)
}

func checkKeys(keys []string) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("%w: more than %d keys", errClaims, maxKeys)
	}
	for _, key := range keys {
		if !printable(key, maxText) {
			return fmt.Errorf("%w: a name in keys is empty or not printable", errClaims)
		}
	}
	return nil
}

func validSubject(s string) bool {
	if s == SubjectAnonymous {
		return true
	}
	for _, kind := range []string{SubjectUser, SubjectKey, SubjectConsumer, SubjectServiceAccount} {
		if id, ok := strings.CutPrefix(s, kind); ok {
			return printable(id, maxText)
		}
	}
	return false
}

func validMethod(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != "" && len(s) <= 16
}

func printable(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsGraphic(r) {
			return false
		}
	}
	return true
}

func newWire(c Claims, now time.Time) wire {
	if c.IssuedAt.IsZero() {
		c.IssuedAt = now
	}
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = c.IssuedAt.Add(MaxLife)
	}
	return wire{
		Issuer: Issuer, Subject: c.Subject, Audience: c.Audience,
		IssuedAt: c.IssuedAt.Unix(), ExpiresAt: c.ExpiresAt.Unix(),
		Method: c.Method, Path: c.Path, Workspace: c.Workspace, Target: c.Target,
		Keys: c.Keys, Previews: c.Previews,
	}
}

func (w *wire) claims() Claims {
	return Claims{
		Subject: w.Subject, Audience: w.Audience, Method: w.Method, Path: w.Path,
		Workspace: w.Workspace, Target: w.Target, Keys: slices.Clone(w.Keys), Previews: w.Previews,
		IssuedAt: time.Unix(w.IssuedAt, 0), ExpiresAt: time.Unix(w.ExpiresAt, 0),
	}
}

// The methods below make wire a jwt.Claims, whose registered claims the
// library checks.

// GetExpirationTime returns exp.
func (w *wire) GetExpirationTime() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(w.ExpiresAt, 0)), nil
}

// GetIssuedAt returns iat.
func (w *wire) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(w.IssuedAt, 0)), nil
}

// GetNotBefore returns iat: a token is not good before it was issued.
func (w *wire) GetNotBefore() (*jwt.NumericDate, error) { return w.GetIssuedAt() }

// GetIssuer returns iss.
func (w *wire) GetIssuer() (string, error) { return w.Issuer, nil }

// GetSubject returns sub.
func (w *wire) GetSubject() (string, error) { return w.Subject, nil }

// GetAudience returns aud, which is always one text.
func (w *wire) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings{w.Audience}, nil }

// Validate is called by the library after its own checks.
func (w *wire) Validate() error { return w.check() }
