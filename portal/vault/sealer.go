// Package vault keeps providers' keys: encrypted at rest, never shown again,
// handed only to runtimes whose flows refer to them, and never without an audit
// row.
package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/catalog"
)

var errSealed = errors.New("the stored key cannot be opened: it was altered, moved, or encrypted with another key-encryption key")

// sealer encrypts each version of each key with a data key of its own, which is
// wrapped by the key-encryption key. Both layers are bound to where the row
// belongs.
type sealer struct {
	kek   tink.AEAD
	kekID string
}

func newSealer(handle *keyset.Handle) (*sealer, error) {
	kek, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("preparing the vault's key-encryption key: %w", err)
	}
	primary, err := handle.Primary()
	if err != nil {
		return nil, fmt.Errorf("reading the vault's key-encryption key: %w", err)
	}
	return &sealer{kek: kek, kekID: fmt.Sprintf("%08x", primary.KeyID())}, nil
}

// associatedData writes the binding so that no two bindings give the same bytes.
func associatedData(layer string, b store.Binding, kekID string) []byte {
	var out bytes.Buffer
	for _, part := range [][]byte{[]byte(layer), b.WorkspaceID[:], b.KeyID[:], []byte(b.Name), []byte(strconv.FormatInt(b.Version, 10)), []byte(kekID)} {
		out.WriteString(strconv.Itoa(len(part)) + ":")
		out.Write(part)
	}
	return out.Bytes()
}

func (s *sealer) seal(value catalog.Secret, b store.Binding) (store.Sealed, error) {
	dek, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return store.Sealed{}, fmt.Errorf("making a data key: %w", err)
	}
	var wrapped bytes.Buffer
	if err := dek.WriteWithAssociatedData(keyset.NewBinaryWriter(&wrapped), s.kek, associatedData("weft vault dek v1", b, s.kekID)); err != nil {
		return store.Sealed{}, fmt.Errorf("wrapping a data key: %w", err)
	}
	primitive, err := aead.New(dek)
	if err != nil {
		return store.Sealed{}, fmt.Errorf("preparing a data key: %w", err)
	}
	// The value does not depend on the key-encryption key, so that one can be
	// exchanged by wrapping the data key anew.
	ciphertext, err := primitive.Encrypt([]byte(value.Reveal()), associatedData("weft vault value v1", b, ""))
	if err != nil {
		return store.Sealed{}, fmt.Errorf("encrypting a key: %w", err)
	}
	return store.Sealed{KEKID: s.kekID, WrappedDEK: wrapped.Bytes(), Ciphertext: ciphertext}, nil
}

func (s *sealer) open(k store.SealedKey) (catalog.Secret, error) {
	b := k.Binding()
	dek, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(k.WrappedDEK)), s.kek, associatedData("weft vault dek v1", b, k.KEKID))
	if err != nil {
		return catalog.Secret{}, errSealed
	}
	primitive, err := aead.New(dek)
	if err != nil {
		return catalog.Secret{}, errSealed
	}
	value, err := primitive.Decrypt(k.Ciphertext, associatedData("weft vault value v1", b, ""))
	if err != nil {
		return catalog.Secret{}, errSealed
	}
	return catalog.NewSecret(string(value)), nil
}

const probeText = "weft vault probe v1"

// Probes keeps the known texts by which a wrong key-encryption key is found out.
type Probes interface {
	KEKProbes(ctx context.Context) ([]store.KEKProbe, error)
	AddKEKProbe(ctx context.Context, p store.KEKProbe) error
}

// selfTest refuses a key-encryption key that cannot read what the database
// holds.
func (s *sealer) selfTest(ctx context.Context, probes Probes) error {
	known, err := probes.KEKProbes(ctx)
	if err != nil {
		return fmt.Errorf("reading the vault's probes: %w", err)
	}
	seen := false
	for _, probe := range known {
		text, err := s.kek.Decrypt(probe.Ciphertext, []byte(probe.KEKID))
		if err != nil || string(text) != probeText {
			return fmt.Errorf("the vault's key-encryption key %s does not fit this database, whose keys were encrypted with %s: restore the Secret weft-vault-kek that belongs to it", s.kekID, probe.KEKID)
		}
		seen = seen || probe.KEKID == s.kekID
	}
	if seen {
		return nil
	}
	ciphertext, err := s.kek.Encrypt([]byte(probeText), []byte(s.kekID))
	if err != nil {
		return fmt.Errorf("encrypting the vault's probe: %w", err)
	}
	if err := probes.AddKEKProbe(ctx, store.KEKProbe{KEKID: s.kekID, Ciphertext: ciphertext}); err != nil {
		return fmt.Errorf("keeping the vault's probe: %w", err)
	}
	return nil
}
