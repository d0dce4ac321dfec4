package main

import (
	"context"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/runtime/catalog"
)

// maxChoice is the number of keys that a choice shows.
const maxChoice = 200

// flowKeys is the vault as flows see it.
type flowKeys struct{ vault *vault.Vault }

// ListKeys returns the keys that a person may choose from.
func (k flowKeys) ListKeys(ctx context.Context, who identity.Subject) ([]flows.Key, error) {
	stored, err := k.vault.List(ctx, who.Workspace.ID, nil, maxChoice)
	if err != nil {
		return nil, err
	}
	keys := make([]flows.Key, 0, len(stored))
	for _, key := range stored {
		keys = append(keys, flowKey(key))
	}
	return keys, nil
}

// StoreKey stores a key that was pasted in place.
func (k flowKeys) StoreKey(ctx context.Context, who identity.Subject, title, provider, value string) (flows.Key, error) {
	owner := vault.Owner{Workspace: who.Workspace.ID, User: who.UserID, Actor: who.Actor()}
	key, err := k.vault.Paste(ctx, owner, title, provider, catalog.NewSecret(value))
	if err != nil {
		return flows.Key{}, err
	}
	return flowKey(key), nil
}

func flowKey(k vault.Key) flows.Key {
	return flows.Key{Name: k.Reference, Title: k.Name, Provider: k.Provider, Last4: k.Last4}
}
