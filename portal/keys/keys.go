// Package keys makes the portal's key material at its first start, and reads it
// at every start. There is no built-in key: what is missing is an error that
// says where it should be, and what does not fit is an error that says so.
package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// maxKeys bounds the keys of one kind; rotation needs two.
const maxKeys = 16

// Signing is a key that signs access tokens.
type Signing struct {
	// ID is the key's kid: its thumbprint.
	ID      string
	Private ed25519.PrivateKey
}

// Encryption is a key that encrypts access tokens (A256GCM).
type Encryption struct {
	// ID is the key's kid.
	ID  string
	Key []byte
}

// Identity holds the keys of access tokens. The first of each kind makes new
// tokens; all of them read tokens.
type Identity struct {
	Signing    []Signing
	Encryption []Encryption
}

// identityFile is the form in which Identity is kept.
type identityFile struct {
	Signing    []keyText `json:"signing"`
	Encryption []keyText `json:"encryption"`
}

// keyText is a secret key: the seed of an Ed25519 key, or 32 random bytes.
type keyText struct {
	Key string `json:"key"`
}

// NewIdentity makes identity keys, in the form in which they are kept.
func NewIdentity() ([]byte, error) {
	return json.Marshal(identityFile{Signing: []keyText{newKey()}, Encryption: []keyText{newKey()}})
}

func newKey() keyText {
	var raw [32]byte
	rand.Read(raw[:]) // never fails: it ends the program instead
	return keyText{Key: base64.RawURLEncoding.EncodeToString(raw[:])}
}

// ParseIdentity reads identity keys and tries them.
func ParseIdentity(data []byte) (Identity, error) {
	var file identityFile
	if err := strict(data, &file); err != nil {
		return Identity{}, err
	}
	if err := count(len(file.Signing), "signing"); err != nil {
		return Identity{}, err
	}
	if err := count(len(file.Encryption), "encryption"); err != nil {
		return Identity{}, err
	}
	var keys Identity
	for _, text := range file.Signing {
		private, err := text.ed25519()
		if err != nil {
			return Identity{}, err
		}
		keys.Signing = append(keys.Signing, Signing{ID: requesttoken.KeyID(publicOf(private)), Private: private})
	}
	for _, text := range file.Encryption {
		raw, err := text.raw()
		if err != nil {
			return Identity{}, err
		}
		sum := sha256.Sum256(append([]byte("weft encryption key id "), raw...))
		keys.Encryption = append(keys.Encryption, Encryption{ID: base64.RawURLEncoding.EncodeToString(sum[:12]), Key: raw})
	}
	return keys, nil
}

func (k keyText) raw() ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(k.Key)
	if err != nil || len(raw) != 32 {
		return nil, errors.New("a key is not 32 bytes in base64url")
	}
	return raw, nil
}

func (k keyText) ed25519() (ed25519.PrivateKey, error) {
	raw, err := k.raw()
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(raw), nil
}

// Request holds the keys that sign request tokens. The first signs.
type Request []ed25519.PrivateKey

func publicOf(private ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(private[ed25519.SeedSize:])
}

type requestFile struct {
	Signing []keyText `json:"signing"`
}

// NewRequest makes a request-signing key, in the form in which it is kept.
func NewRequest() ([]byte, error) {
	return json.Marshal(requestFile{Signing: []keyText{newKey()}})
}

// ParseRequest reads request-signing keys.
func ParseRequest(data []byte) (Request, error) {
	var file requestFile
	if err := strict(data, &file); err != nil {
		return nil, err
	}
	if err := count(len(file.Signing), "signing"); err != nil {
		return nil, err
	}
	keys := make(Request, 0, len(file.Signing))
	for _, text := range file.Signing {
		private, err := text.ed25519()
		if err != nil {
			return nil, err
		}
		keys = append(keys, private)
	}
	return keys, nil
}

// Trust returns the public keys that runtimes believe.
func (r Request) Trust() (requesttoken.KeySet, error) {
	public := make([]ed25519.PublicKey, 0, len(r))
	for _, private := range r {
		public = append(public, publicOf(private))
	}
	return requesttoken.NewKeySet(public...)
}

// Signer returns the signer of new request tokens.
func (r Request) Signer() (*requesttoken.Signer, error) {
	if len(r) == 0 {
		return nil, errors.New("there is no request-signing key")
	}
	return requesttoken.NewSigner(r[0])
}

// NewVault makes the vault's key-encryption key, in the form in which it is
// kept: a Tink keyset.
func NewVault() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making the vault's key: %w", err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("writing the vault's key: %w", err)
	}
	return out.Bytes(), nil
}

// ParseVault reads the vault's key-encryption key and tries it.
func ParseVault(data []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		return nil, errors.New("it is not a Tink keyset in JSON")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("it is not a Tink keyset for AEAD")
	}
	sealed, err := primitive.Encrypt([]byte("self-test"), []byte("self-test"))
	if err != nil {
		return nil, fmt.Errorf("it does not encrypt: %w", err)
	}
	if opened, err := primitive.Decrypt(sealed, []byte("self-test")); err != nil || string(opened) != "self-test" {
		return nil, errors.New("it does not decrypt what it encrypted")
	}
	return handle, nil
}

func strict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return errors.New("it is not the JSON that it should be")
	}
	return nil
}

func count(n int, kind string) error {
	if n < 1 || n > maxKeys {
		return fmt.Errorf("it holds %d %s keys, 1 to %d are needed", n, kind, maxKeys)
	}
	return nil
}
