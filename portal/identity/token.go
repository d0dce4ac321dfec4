package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/keys"
)

const (
	tokenIssuer   = "weft"
	tokenAudience = "weft-portal"
	tokenType     = "weft-access+jwt"
	tokenLife     = 15 * time.Minute
	tokenSkew     = 5 * time.Second
	maxToken      = 4096
)

var errToken = errors.New("the access token is not valid")

// accessClaims is the content of an access token, in the order in which it is
// written. A token whose bytes are not exactly those that we would have written
// is refused, so there is nothing to be read in two ways.
type accessClaims struct {
	Issuer        string    `json:"iss"`
	Audience      string    `json:"aud"`
	UserID        uuid.UUID `json:"sub"`
	SessionID     uuid.UUID `json:"sid"`
	TokenID       uuid.UUID `json:"jti"`
	Email         string    `json:"email"`
	Name          string    `json:"name"`
	Administrator bool      `json:"adm"`
	WorkspaceID   uuid.UUID `json:"wid"`
	Workspace     string    `json:"ws"`
	IssuedAt      int64     `json:"iat"`
	ExpiresAt     int64     `json:"exp"`
}

// tokens makes and reads access tokens: signed (EdDSA), then encrypted (dir,
// A256GCM). Which key a token names is found by comparing its whole header with
// the headers that we write; no other header is ever parsed.
type tokens struct {
	signing    keys.Signing
	encrypter  jose.Encrypter
	signed     map[string]ed25519.PublicKey // by encoded JWS header
	encrypted  map[string][]byte            // by encoded JWE header
	algorithms []string
}

func newTokens(k keys.Identity) (*tokens, error) {
	if len(k.Signing) == 0 || len(k.Encryption) == 0 {
		return nil, errors.New("access tokens need a signing and an encryption key")
	}
	t := &tokens{
		signing: k.Signing[0], signed: map[string]ed25519.PublicKey{}, encrypted: map[string][]byte{},
		algorithms: []string{jwt.SigningMethodEdDSA.Alg()},
	}
	for _, key := range k.Signing {
		header, err := signedHeader(key)
		if err != nil {
			return nil, err
		}
		t.signed[header] = ed25519.PublicKey(key.Private[ed25519.SeedSize:])
	}
	for i, key := range k.Encryption {
		encrypter, err := newEncrypter(key)
		if err != nil {
			return nil, err
		}
		header, err := encryptedHeader(encrypter)
		if err != nil {
			return nil, err
		}
		t.encrypted[header] = key.Key
		if i == 0 {
			t.encrypter = encrypter
		}
	}
	return t, nil
}

func newEncrypter(key keys.Encryption) (jose.Encrypter, error) {
	options := (&jose.EncrypterOptions{}).WithType("JWT").WithContentType("JWT")
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key.Key, KeyID: key.ID}, options)
	if err != nil {
		return nil, fmt.Errorf("preparing the encryption of access tokens: %w", err)
	}
	return encrypter, nil
}

func signedHeader(key keys.Signing) (string, error) {
	token, err := sign(key, []byte("{}"))
	header, _, _ := strings.Cut(token, ".")
	return header, err
}

func encryptedHeader(encrypter jose.Encrypter) (string, error) {
	token, err := encrypt(encrypter, "")
	header, _, _ := strings.Cut(token, ".")
	return header, err
}

func sign(key keys.Signing, payload []byte) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, rawClaims(payload))
	token.Header = map[string]any{"alg": jwt.SigningMethodEdDSA.Alg(), "kid": key.ID, "typ": tokenType}
	signed, err := token.SignedString(key.Private)
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", err)
	}
	return signed, nil
}

func encrypt(encrypter jose.Encrypter, signed string) (string, error) {
	object, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		return "", fmt.Errorf("encrypting an access token: %w", err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("writing an access token: %w", err)
	}
	return token, nil
}

// mint returns an access token of a session.
func (t *tokens) mint(s Subject, now time.Time) (string, error) {
	expires := now.Add(tokenLife)
	if s.ExpiresAt.Before(expires) {
		expires = s.ExpiresAt
	}
	payload, err := json.Marshal(accessClaims{
		Issuer: tokenIssuer, Audience: tokenAudience, UserID: s.UserID, SessionID: s.SessionID, TokenID: uuid.New(),
		Email: s.Email, Name: s.Name, Administrator: s.Administrator,
		WorkspaceID: s.Workspace.ID, Workspace: s.Workspace.Name,
		IssuedAt: now.Unix(), ExpiresAt: expires.Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("writing an access token: %w", err)
	}
	signed, err := sign(t.signing, payload)
	if err != nil {
		return "", err
	}
	return encrypt(t.encrypter, signed)
}

// read returns what a token says. Whether its session still lives is for the
// caller to find out.
func (t *tokens) read(token string, now time.Time) (accessClaims, error) {
	signed, err := t.decrypt(token)
	if err != nil {
		return accessClaims{}, err
	}
	payload, err := t.verify(signed)
	if err != nil {
		return accessClaims{}, err
	}
	var c accessClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return accessClaims{}, errToken
	}
	if again, err := json.Marshal(c); err != nil || string(again) != string(payload) {
		return accessClaims{}, errToken
	}
	return c, c.check(now)
}

func (t *tokens) decrypt(token string) (string, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 4 {
		return "", errToken
	}
	header, _, _ := strings.Cut(token, ".")
	key, ok := t.encrypted[header]
	// With "dir" there is no encrypted key; go-jose overlooks one.
	if !ok || !strings.HasPrefix(token, header+"..") {
		return "", errToken
	}
	object, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return "", errToken
	}
	if again, err := object.CompactSerialize(); err != nil || again != token {
		return "", errToken
	}
	signed, err := object.Decrypt(key)
	if err != nil {
		return "", errToken
	}
	return string(signed), nil
}

func (t *tokens) verify(signed string) ([]byte, error) {
	parts := strings.Split(signed, ".")
	key, ok := t.signed[parts[0]]
	if !ok || len(parts) != 3 {
		return nil, errToken
	}
	parser := jwt.NewParser(jwt.WithValidMethods(t.algorithms), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(signed, &rawClaims{}, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return nil, errToken
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return nil, errToken
	}
	return payload, nil
}

func (c accessClaims) check(now time.Time) error {
	issued, expires := time.Unix(c.IssuedAt, 0), time.Unix(c.ExpiresAt, 0)
	switch {
	case c.Issuer != tokenIssuer, c.Audience != tokenAudience,
		c.UserID == uuid.Nil, c.SessionID == uuid.Nil, c.TokenID == uuid.Nil,
		c.WorkspaceID == uuid.Nil, c.Workspace == "", c.Email == "",
		c.IssuedAt < 0, c.ExpiresAt <= c.IssuedAt,
		expires.Sub(issued) > tokenLife,
		issued.After(now.Add(tokenSkew)),
		!expires.After(now):
		return errToken
	}
	return nil
}

// rawClaims are claims as the bytes that they are. Their meaning is checked by
// accessClaims alone.
type rawClaims []byte

// MarshalJSON returns the bytes.
func (c rawClaims) MarshalJSON() ([]byte, error) { return c, nil }

// UnmarshalJSON keeps the bytes.
func (c *rawClaims) UnmarshalJSON(data []byte) error {
	*c = append((*c)[:0], data...)
	return nil
}

var errNotAsked = errors.New("claims are judged elsewhere")

// GetExpirationTime and its siblings are what golang-jwt asks of claims; it is
// told not to judge them.
func (c rawClaims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, errNotAsked }

// GetIssuedAt tells nothing.
func (c rawClaims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, errNotAsked }

// GetNotBefore tells nothing.
func (c rawClaims) GetNotBefore() (*jwt.NumericDate, error) { return nil, errNotAsked }

// GetIssuer tells nothing.
func (c rawClaims) GetIssuer() (string, error) { return "", errNotAsked }

// GetSubject tells nothing.
func (c rawClaims) GetSubject() (string, error) { return "", errNotAsked }

// GetAudience tells nothing.
func (c rawClaims) GetAudience() (jwt.ClaimStrings, error) { return nil, errNotAsked }
