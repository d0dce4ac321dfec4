// Package requesttoken mints and verifies request tokens: the one way in which
// the identity of a caller travels inside of Weft.
//
// A request token is a JWS, signed with Ed25519 by the gateway or the portal,
// good for at most 60 seconds, for one audience (the UID of a Flow, or of a
// Workspace for test runs), one method and one path. Whoever receives it
// verifies it by itself, with public keys alone.
package requesttoken

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// Header is the name of the header that carries the token.
	Header = "Weft-Request-Token"
	// Issuer is the value of iss.
	Issuer = "weft"
	// Type is the value of the header parameter typ.
	Type = "weft-request+jwt"
	// MaxLife is how long a token may be good at most.
	MaxLife = 60 * time.Second
	// Skew is by how much the clocks of two parties may differ.
	Skew = 5 * time.Second

	algorithm = "EdDSA"
	// maxToken bounds a token, in bytes: a test run with every key it may name
	// fits.
	maxToken = 48 << 10
	// maxTokenHeader bounds the first part of a token, in bytes.
	maxTokenHeader = 256
)

// ErrInvalid is returned for every token that does not verify. What it wraps
// says why, for logs; callers learn no more than that it is not valid.
var ErrInvalid = errors.New("request token is not valid")

// Signer mints tokens with one private key. It is safe for concurrent use.
type Signer struct {
	id  string
	key ed25519.PrivateKey
}

// NewSigner returns a Signer for the key.
func NewSigner(key ed25519.PrivateKey) (*Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("a private key for request tokens has %d bytes, not %d", ed25519.PrivateKeySize, len(key))
	}
	public := ed25519.PublicKey(key[ed25519.SeedSize:])
	return &Signer{id: KeyID(public), key: slices.Clone(key)}, nil
}

// KeyID returns the id of the key that the Signer signs with.
func (s *Signer) KeyID() string { return s.id }

// Mint signs the claims. It refuses claims that Verify would refuse anywhere.
func (s *Signer) Mint(c Claims) (string, error) {
	w := newWire(c, time.Now())
	if err := w.check(); err != nil {
		return "", fmt.Errorf("minting a request token: %w", err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &w)
	token.Header["typ"] = Type
	token.Header["kid"] = s.id
	signed, err := token.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("signing a request token: %w", err)
	}
	return signed, nil
}

// Expect is what the receiver of a token knows by itself. Every field must be
// set.
type Expect struct {
	// Audience is the receiver's own UID.
	Audience string
	// Method of the request.
	Method string
	// Path of the request: request.Target.Path.
	Path string
	// Now is the present time.
	Now time.Time
}

// Verifier verifies tokens with a set of public keys that may be replaced
// while it is in use. It is safe for concurrent use.
type Verifier struct {
	state atomic.Pointer[state]
}

// NewVerifier returns a Verifier with the keys of the set.
func NewVerifier(set KeySet) *Verifier {
	v := &Verifier{}
	v.Replace(set)
	return v
}

// Replace puts another key set in the place of the present one. Nothing that
// was verified with the former set is remembered.
func (v *Verifier) Replace(set KeySet) { v.state.Store(newState(set)) }

// Verify returns the claims of a token that is signed by a key of the set, is
// good now, and was minted for exactly this audience, method and path.
func (v *Verifier) Verify(token string, e Expect) (Claims, error) {
	if e.Audience == "" || e.Method == "" || e.Path == "" || e.Now.IsZero() {
		return Claims{}, fmt.Errorf("%w: nothing to compare it with", ErrInvalid)
	}
	w, err := v.state.Load().verify(token, e)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if w.Method != e.Method || w.Path != e.Path {
		return Claims{}, fmt.Errorf("%w: it was made for another method or path", ErrInvalid)
	}
	return w.claims(), nil
}

// checkForm refuses whatever Mint would not have written before anything is
// done with it: other characters (base64 decoders skip line ends), more than
// three parts, and other header parameters (jku, jwk, x5u, crit, zip…).
func checkForm(token string) error {
	if len(token) > maxToken {
		return errors.New("too long")
	}
	for i := range len(token) {
		if !tokenByte(token[i]) {
			return errors.New("odd character")
		}
	}
	head, rest, ok := strings.Cut(token, ".")
	if !ok || strings.Count(rest, ".") != 1 || len(head) > maxTokenHeader {
		return errors.New("not three parts")
	}
	return checkHeader(head)
}

func checkHeader(head string) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil {
		return errors.New("header is not base64url")
	}
	var alg, kid, typ string
	if _, err := object(raw, map[string]func(json.RawMessage) error{
		"alg": text(&alg), "kid": text(&kid), "typ": text(&typ),
	}); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if alg != algorithm || typ != Type || kid == "" {
		return errors.New("header names another algorithm or type, or no key")
	}
	return nil
}

func tokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

// FromHeader returns the token of a request's header, of which there must be
// exactly one.
func FromHeader(h http.Header) (string, error) {
	values := h.Values(Header)
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%w: the request carries %d of them", ErrInvalid, len(values))
	}
	return values[0], nil
}
