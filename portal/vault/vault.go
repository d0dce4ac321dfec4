package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/weft-run/weft/portal/audit"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/catalog"
)

// Vault keeps keys.
type Vault struct {
	store  *store.Store
	sealer *sealer
	wake   func()
}

// New returns the vault, after it has found that its key-encryption key reads
// what the database holds. changed is called when names or versions changed.
func New(ctx context.Context, s *store.Store, kek *keyset.Handle, changed func()) (*Vault, error) {
	sealer, err := newSealer(kek)
	if err != nil {
		return nil, err
	}
	if err := sealer.selfTest(ctx, s); err != nil {
		return nil, err
	}
	return &Vault{store: s, sealer: sealer, wake: changed}, nil
}

// Key is a key as its owners see it: never the key itself.
type Key struct {
	ID uuid.UUID `json:"id"`
	// Name is the title that its owner gave it.
	Name string `json:"name"`
	// Reference is the name by which flows refer to it (vaultKeyRef.name).
	Reference string    `json:"reference"`
	Provider  string    `json:"provider"`
	Last4     string    `json:"last4"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func keyOf(k store.VaultKey) Key {
	return Key{
		ID: k.ID, Name: k.Title, Reference: k.Name, Provider: k.Provider, Last4: k.Last4,
		Version: k.CurrentVersion, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
	}
}

// Owner is in whose name keys are kept.
type Owner struct {
	Workspace uuid.UUID
	User      uuid.UUID
	Actor     string
}

// Store keeps a key under a title. The provider is guessed where none is given.
func (v *Vault) Store(ctx context.Context, o Owner, title, provider string, value catalog.Secret) (Key, error) {
	if provider == "" {
		provider = guessProvider(value)
	}
	key, err := v.store.CreateVaultKey(ctx, store.NewVaultKey{
		WorkspaceID: o.Workspace, Name: reference(title), Title: title, Provider: provider, Last4: last4(value),
		By: o.User, Actor: o.Actor,
		Seal: func(b store.Binding) (store.Sealed, error) { return v.sealer.seal(value, b) },
	})
	if err != nil {
		return Key{}, err
	}
	v.wake()
	return keyOf(key), nil
}

// Rotate replaces the value of a key; flows go on referring to it.
func (v *Vault) Rotate(ctx context.Context, o Owner, id uuid.UUID, value catalog.Secret) (Key, error) {
	key, err := v.store.RotateVaultKey(ctx, o.Workspace, id, last4(value), o.Actor,
		func(b store.Binding) (store.Sealed, error) { return v.sealer.seal(value, b) })
	if err != nil {
		return Key{}, err
	}
	v.wake()
	return keyOf(key), nil
}

// Delete removes a key.
func (v *Vault) Delete(ctx context.Context, o Owner, id uuid.UUID) error {
	if err := v.store.DeleteVaultKey(ctx, o.Workspace, id, o.Actor); err != nil {
		return err
	}
	v.wake()
	return nil
}

// List returns keys, newest first. More of them come after the id of the last.
func (v *Vault) List(ctx context.Context, workspace uuid.UUID, after *uuid.UUID, limit int) ([]Key, error) {
	stored, err := v.store.ListVaultKeys(ctx, workspace, after, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(stored))
	for _, k := range stored {
		keys = append(keys, keyOf(k))
	}
	return keys, nil
}

// Fetched is a key for a runtime.
type Fetched struct {
	Version int64
	Value   catalog.Secret
}

// MissingError names the keys that are not there, or not for this caller.
type MissingError struct{ Names []string }

// Error names them.
func (e *MissingError) Error() string {
	return "the vault has no key for this caller named " + strings.Join(e.Names, ", ")
}

// Fetch returns keys by name, all or none. Each is recorded in the transaction
// that reads it; without that record there is no key.
func (v *Vault) Fetch(ctx context.Context, workspace uuid.UUID, names []string, actor, why string) (map[string]Fetched, error) {
	var fetched map[string]Fetched
	var refused error
	err := v.store.UseVaultKeys(ctx, workspace, names, func(rows []store.SealedKey) []audit.Event {
		var events []audit.Event
		fetched, events, refused = v.openAll(workspace, names, rows, actor, why)
		return events
	})
	if err != nil {
		return nil, fmt.Errorf("reading keys with their audit rows: %w", err)
	}
	return fetched, refused
}

func (v *Vault) openAll(workspace uuid.UUID, names []string, rows []store.SealedKey, actor, why string) (map[string]Fetched, []audit.Event, error) {
	byName := make(map[string]store.SealedKey, len(rows))
	for _, row := range rows {
		byName[row.Name] = row
	}
	fetched := make(map[string]Fetched, len(names))
	var events []audit.Event
	var missing []string
	var damaged error
	for _, name := range names {
		event := audit.Event{Workspace: workspace, Actor: actor, Action: "vault.fetch", Outcome: audit.OK, Detail: why}
		row, there := byName[name]
		if !there {
			missing = append(missing, name)
			event.Object, event.Outcome = "vaultkey", audit.Denied
			events = append(events, event)
			continue
		}
		event.Object = fmt.Sprintf("vaultkey:%s:%d", row.KeyID, row.Version)
		value, err := v.sealer.open(row)
		if err != nil {
			damaged, event.Outcome = err, audit.Error
		}
		fetched[name] = Fetched{Version: row.Version, Value: value}
		events = append(events, event)
	}
	switch {
	case damaged != nil:
		return nil, events, damaged
	case len(missing) > 0:
		return nil, events, &MissingError{Names: missing}
	}
	return fetched, events, nil
}

// refuse records that keys were asked for and not given.
func (v *Vault) refuse(ctx context.Context, workspace uuid.UUID, actor, why string) error {
	return v.store.Audit(ctx, audit.Event{
		Workspace: workspace, Actor: actor, Action: "vault.fetch", Object: "vaultkey", Outcome: audit.Denied, Detail: why,
	})
}

func isMissing(err error) (*MissingError, bool) {
	var missing *MissingError
	ok := errors.As(err, &missing)
	return missing, ok
}
