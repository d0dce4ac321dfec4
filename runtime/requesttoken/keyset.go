package requesttoken

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

const (
	// maxKeySet bounds the size of a key set, in bytes.
	maxKeySet = 64 << 10
	// maxSetKeys bounds the number of keys of a set. Rotation needs two.
	maxSetKeys = 16
)

// ErrKeySet is returned for a key set that is not one of ours.
var ErrKeySet = errors.New("key set is not valid")

// KeySet is a set of public keys, each under its key id. It is immutable. The
// zero KeySet holds no key, and verifies nothing.
type KeySet struct {
	keys map[string]ed25519.PublicKey
}

// NewKeySet returns the set of the given public keys.
func NewKeySet(public ...ed25519.PublicKey) (KeySet, error) {
	set := KeySet{keys: make(map[string]ed25519.PublicKey, len(public))}
	for _, key := range public {
		if len(key) != ed25519.PublicKeySize {
			return KeySet{}, fmt.Errorf("%w: a public key has %d bytes", ErrKeySet, len(key))
		}
		set.keys[KeyID(key)] = slices.Clone(key)
	}
	if len(set.keys) == 0 || len(set.keys) > maxSetKeys {
		return KeySet{}, fmt.Errorf("%w: it must hold 1 to %d keys", ErrKeySet, maxSetKeys)
	}
	return set, nil
}

// KeyID returns the key id (kid) of a public key: its RFC 7638 thumbprint. A
// key's id can thus never be given to another key.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// IDs returns the key ids of the set, sorted.
func (s KeySet) IDs() []string { return slices.Sorted(maps.Keys(s.keys)) }

// jwk is a public key in the form of RFC 8037.
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
}

// MarshalJSON writes the set as a JSON Web Key Set, sorted by key id so that
// equal sets have equal bytes.
func (s KeySet) MarshalJSON() ([]byte, error) {
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: make([]jwk, 0, len(s.keys))}
	for _, id := range s.IDs() {
		set.Keys = append(set.Keys, jwk{
			Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(s.keys[id]),
			ID: id, Use: "sig", Algorithm: algorithm,
		})
	}
	return json.Marshal(set)
}

// ParseKeySet reads a JSON Web Key Set of Ed25519 public keys. A set with a
// private key, a key of another kind, an id that is not the key's thumbprint,
// an unknown member or no key at all is refused as a whole.
func ParseKeySet(data []byte) (KeySet, error) {
	if len(data) > maxKeySet {
		return KeySet{}, fmt.Errorf("%w: larger than %d bytes", ErrKeySet, maxKeySet)
	}
	var public []ed25519.PublicKey
	seen, err := object(data, map[string]func(json.RawMessage) error{
		"keys": func(raw json.RawMessage) (err error) {
			public, err = parseKeys(raw)
			return err
		},
	})
	if err != nil {
		return KeySet{}, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	if !seen["keys"] {
		return KeySet{}, fmt.Errorf("%w: keys is missing", ErrKeySet)
	}
	return NewKeySet(public...)
}

func parseKeys(raw json.RawMessage) ([]ed25519.PublicKey, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("%w: not a list", errJSON)
	}
	public := make([]ed25519.PublicKey, 0, min(len(items), maxSetKeys+1))
	for _, item := range items {
		key, err := parseKey(item)
		if err != nil {
			return nil, err
		}
		public = append(public, key)
	}
	return public, nil
}

func parseKey(raw json.RawMessage) (ed25519.PublicKey, error) {
	k := jwk{Use: "sig", Algorithm: algorithm}
	if _, err := object(raw, map[string]func(json.RawMessage) error{
		"kty": text(&k.Type), "crv": text(&k.Curve), "x": text(&k.X),
		"kid": text(&k.ID), "use": text(&k.Use), "alg": text(&k.Algorithm),
	}); err != nil {
		return nil, err
	}
	if k.Type != "OKP" || k.Curve != "Ed25519" || k.Use != "sig" || k.Algorithm != algorithm {
		return nil, errors.New("not an Ed25519 key for signatures")
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(k.X)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("x is not a public key")
	}
	if KeyID(key) != k.ID {
		return nil, errors.New("kid is not the key's thumbprint")
	}
	return key, nil
}
