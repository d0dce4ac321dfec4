// Package credentials finds the secret values that a flow's components refer
// to: in mounted Kubernetes Secrets, and in the portal's vault. They are kept
// in memory only.
package credentials

import (
	"context"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/engine"
)

// Keys gives keys of the vault.
type Keys interface {
	// Key returns the value of the key of that name.
	Key(ctx context.Context, name string) (catalog.Secret, error)
}

// Source resolves both kinds of references.
type Source struct {
	secrets Files
	vault   Keys
}

var _ engine.CredentialSource = (*Source)(nil)

// New returns a source of both kinds.
func New(secrets Files, vault Keys) *Source { return &Source{secrets: secrets, vault: vault} }

// Resolve implements engine.CredentialSource. Errors are *catalog.Error.
func (s *Source) Resolve(ctx context.Context, c *v1alpha1.Credential) (catalog.Secret, error) {
	switch {
	case c == nil:
		return catalog.Secret{}, nil
	case c.SecretKeyRef != nil:
		return s.secrets.Read(c.SecretKeyRef)
	case c.VaultKeyRef != nil:
		return s.vault.Key(ctx, c.VaultKeyRef.Name)
	}
	return catalog.Secret{}, nil
}

func unauthorized(message string, cause error) error {
	return &catalog.Error{Code: v1alpha1.ErrorUnauthorized, Message: message, Cause: cause}
}
