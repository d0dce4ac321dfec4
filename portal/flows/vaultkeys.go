package flows

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/runtime/catalog"
)

// VaultKeys gives flows the keys of a vault in this process.
type VaultKeys struct{ Vault *vault.Vault }

const (
	// maxListedKeys bounds the keys that a page offers.
	maxListedKeys = 200
	// maxKeyBytes bounds a pasted key, as the vault's own form does.
	maxKeyBytes = 8 << 10
)

// ListKeys returns the caller's keys, the newest first.
func (k VaultKeys) ListKeys(ctx context.Context, who identity.Subject) ([]Key, error) {
	stored, err := k.Vault.List(ctx, who.Workspace.ID, nil, maxListedKeys)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(stored))
	for i, s := range stored {
		keys[i] = keyOf(s)
	}
	return keys, nil
}

func keyOf(k vault.Key) Key {
	return Key{Name: k.Reference, Title: k.Name, Provider: k.Provider, Last4: k.Last4}
}

// StoreKey stores a key that was pasted in place.
func (k VaultKeys) StoreKey(ctx context.Context, who identity.Subject, title, provider, value string) (Key, error) {
	if utf8.RuneCountInString(title) > maxTitle || strings.ContainsFunc(title, unicode.IsControl) {
		return Key{}, server.Invalid(server.FieldError{Field: "newkeyname", Code: server.CodeInvalid, Message: "Choose a name of at most 120 characters for the key."})
	}
	if len(value) > maxKeyBytes || strings.ContainsFunc(value, unicode.IsControl) {
		return Key{}, server.Invalid(server.FieldError{Field: "newkey", Code: server.CodeInvalid, Message: "This does not look like a key: it is too long, or has characters that no key has."})
	}
	owner := vault.Owner{Workspace: who.Workspace.ID, User: who.UserID, Actor: who.Actor()}
	stored, err := k.Vault.Store(ctx, owner, title, provider, catalog.NewSecret(value))
	if err != nil {
		return Key{}, err
	}
	return keyOf(stored), nil
}
