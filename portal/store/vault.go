package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
	"github.com/weft-run/weft/portal/names"
)

const (
	// maxVaultKeys bounds the keys of one workspace.
	maxVaultKeys = 500
	maxVaultName = 63
)

// VaultKey is a key as people may see it: everything but the key.
type VaultKey struct {
	ID             uuid.UUID `db:"id"`
	Name           string    `db:"name"`
	Title          string    `db:"title"`
	Provider       string    `db:"provider"`
	Last4          string    `db:"last4"`
	CurrentVersion int64     `db:"current_version"`
	CreatedAt      time.Time `db:"created_at"`
	UpdatedAt      time.Time `db:"updated_at"`
}

const vaultKeyColumns = `id, name, title, provider, last4, current_version, created_at, updated_at`

// Binding is what a ciphertext belongs to, and is worth nothing without.
type Binding struct {
	WorkspaceID uuid.UUID
	KeyID       uuid.UUID
	Name        string
	Version     int64
}

// Sealed is an encrypted key.
type Sealed struct {
	KEKID      string `db:"kek_id"`
	WrappedDEK []byte `db:"wrapped_dek"`
	Ciphertext []byte `db:"ciphertext"`
}

// SealFunc encrypts a key for a place.
type SealFunc func(Binding) (Sealed, error)

// NewVaultKey is a key to be stored.
type NewVaultKey struct {
	WorkspaceID uuid.UUID
	// Name is the wanted address-friendly name; a number is added where it is
	// taken.
	Name     string
	Title    string
	Provider string
	Last4    string
	By       uuid.UUID
	Actor    string
	Seal     SealFunc
}

// CreateVaultKey stores a key under a free name, with its audit row.
func (s *Store) CreateVaultKey(ctx context.Context, n NewVaultKey) (VaultKey, error) {
	var key VaultKey
	err := s.InWorkspace(ctx, n.WorkspaceID, func(ctx context.Context, tx pgx.Tx) error {
		name, err := freeVaultName(ctx, tx, n.WorkspaceID, n.Name)
		if err != nil {
			return err
		}
		const insert = `
			INSERT INTO vault_keys (id, workspace_id, name, title, provider, last4, current_version, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, 1, $7) RETURNING ` + vaultKeyColumns
		key, err = one[VaultKey](ctx, tx, insert, NewID(), n.WorkspaceID, name, n.Title, n.Provider, n.Last4, n.By)
		if err != nil {
			return err
		}
		if err := insertVersion(ctx, tx, Binding{n.WorkspaceID, key.ID, key.Name, 1}, n.Seal); err != nil {
			return err
		}
		return audit.Append(ctx, tx, vaultEvent(n.WorkspaceID, n.Actor, "vault.store", key.ID, 1))
	})
	return key, err
}

// freeVaultName finds a free name. Stores in one workspace wait for one
// another, so that it stays free.
func freeVaultName(ctx context.Context, tx pgx.Tx, workspace uuid.UUID, wanted string) (string, error) {
	if err := affected(ctx, tx, `SELECT 1 FROM workspaces WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, workspace); err != nil {
		return "", err
	}
	taken, err := column[string](ctx, tx, `SELECT name FROM vault_keys WHERE workspace_id = $1 LIMIT $2`, workspace, maxVaultKeys)
	if err != nil {
		return "", err
	}
	if len(taken) >= maxVaultKeys {
		return "", fmt.Errorf("%w: the workspace has %d keys already", ErrConflict, maxVaultKeys)
	}
	return names.Free(wanted, maxVaultName, taken)
}

func insertVersion(ctx context.Context, tx pgx.Tx, b Binding, seal SealFunc) error {
	sealed, err := seal(b)
	if err != nil {
		return err
	}
	const insert = `
		INSERT INTO vault_key_versions (key_id, version, workspace_id, kek_id, wrapped_dek, ciphertext)
		VALUES ($1, $2, $3, $4, $5, $6)`
	_, err = exec(ctx, tx, insert, b.KeyID, b.Version, b.WorkspaceID, sealed.KEKID, sealed.WrappedDEK, sealed.Ciphertext)
	return err
}

func vaultEvent(workspace uuid.UUID, actor, action string, key uuid.UUID, version int64) audit.Event {
	return audit.Event{
		Workspace: workspace, Actor: actor, Action: action, Object: "vaultkey:" + key.String(),
		Outcome: audit.OK, Detail: fmt.Sprintf("version:%d", version),
	}
}

// RotateVaultKey stores a new version of a key and removes the old one, so that
// nobody can bring it back.
func (s *Store) RotateVaultKey(ctx context.Context, workspace, id uuid.UUID, last4, actor string, seal SealFunc) (VaultKey, error) {
	var key VaultKey
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) (err error) {
		const update = `
			UPDATE vault_keys SET current_version = current_version + 1, last4 = $3, updated_at = now()
			WHERE id = $1 AND workspace_id = $2 RETURNING ` + vaultKeyColumns
		if key, err = one[VaultKey](ctx, tx, update, id, workspace, last4); err != nil {
			return err
		}
		if err := insertVersion(ctx, tx, Binding{workspace, key.ID, key.Name, key.CurrentVersion}, seal); err != nil {
			return err
		}
		const retire = `DELETE FROM vault_key_versions WHERE key_id = $1 AND workspace_id = $2 AND version < $3`
		if _, err := exec(ctx, tx, retire, id, workspace, key.CurrentVersion); err != nil {
			return err
		}
		return audit.Append(ctx, tx, vaultEvent(workspace, actor, "vault.rotate", key.ID, key.CurrentVersion))
	})
	return key, err
}

// DeleteVaultKey removes a key with all that is stored of it.
func (s *Store) DeleteVaultKey(ctx context.Context, workspace, id uuid.UUID, actor string) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var version int64
		const remove = `DELETE FROM vault_keys WHERE id = $1 AND workspace_id = $2 RETURNING current_version`
		if err := scan(tx.QueryRow(ctx, remove, id, workspace), &version); err != nil {
			return err
		}
		return audit.Append(ctx, tx, vaultEvent(workspace, actor, "vault.delete", id, version))
	})
}

// ListVaultKeys returns the keys of a workspace, newest first, from after a
// cursor on.
func (s *Store) ListVaultKeys(ctx context.Context, workspace uuid.UUID, after *uuid.UUID, limit int) ([]VaultKey, error) {
	var keys []VaultKey
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) (err error) {
		keys, err = many[VaultKey](ctx, tx, `
			SELECT `+vaultKeyColumns+` FROM vault_keys
			WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2)
			ORDER BY id DESC LIMIT $3`, workspace, after, limit)
		return err
	})
	return keys, err
}

// SealedKey is a key as it is stored.
type SealedKey struct {
	KeyID       uuid.UUID `db:"key_id"`
	WorkspaceID uuid.UUID `db:"workspace_id"`
	Name        string    `db:"name"`
	Version     int64     `db:"version"`
	Sealed
}

// Binding returns what the ciphertext should belong to.
func (k SealedKey) Binding() Binding { return Binding{k.WorkspaceID, k.KeyID, k.Name, k.Version} }

// UseVaultKeys hands the current versions of the named keys to use, and records
// the events that it returns, in one transaction. When that is not committed,
// the error tells, and nothing of the keys may be used.
func (s *Store) UseVaultKeys(ctx context.Context, workspace uuid.UUID, names []string, use func([]SealedKey) []audit.Event) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		keys, err := many[SealedKey](ctx, tx, `
			SELECT v.key_id, v.workspace_id, k.name, v.version, v.kek_id, v.wrapped_dek, v.ciphertext
			FROM vault_keys k
			JOIN vault_key_versions v ON v.key_id = k.id AND v.version = k.current_version AND v.workspace_id = k.workspace_id
			WHERE k.workspace_id = $1 AND k.name = ANY($2)
			ORDER BY k.name LIMIT $3`, workspace, names, maxVaultKeys)
		if err != nil {
			return err
		}
		for _, event := range use(keys) {
			if err := audit.Append(ctx, tx, event); err != nil {
				return err
			}
		}
		return nil
	})
}

// VaultIndexRow is one key name of one workspace; Name is nil for a workspace
// without keys.
type VaultIndexRow struct {
	WorkspaceID   uuid.UUID `db:"workspace_id"`
	WorkspaceName string    `db:"workspace_name"`
	Name          *string   `db:"key_name"`
	Version       *int64    `db:"key_version"`
}

// VaultIndex returns names and versions of all workspaces' keys, by workspace.
func (s *Store) VaultIndex(ctx context.Context) ([]VaultIndexRow, error) {
	var rows []VaultIndexRow
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		rows, err = many[VaultIndexRow](ctx, tx, `SELECT workspace_id, workspace_name, key_name, key_version FROM weft_vault_index()`)
		return err
	})
	return rows, err
}

// KEKProbe is a known text under a key-encryption key.
type KEKProbe struct {
	KEKID      string `db:"kek_id"`
	Ciphertext []byte `db:"ciphertext"`
}

// KEKProbes returns the probes of every key-encryption key that was ever used.
func (s *Store) KEKProbes(ctx context.Context) ([]KEKProbe, error) {
	var probes []KEKProbe
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		probes, err = many[KEKProbe](ctx, tx, `SELECT kek_id, ciphertext FROM vault_kek_probes ORDER BY kek_id LIMIT 100`)
		return err
	})
	return probes, err
}

// AddKEKProbe keeps a probe; the first of several stands.
func (s *Store) AddKEKProbe(ctx context.Context, p KEKProbe) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := exec(ctx, tx, `INSERT INTO vault_kek_probes (kek_id, ciphertext) VALUES ($1, $2) ON CONFLICT DO NOTHING`, p.KEKID, p.Ciphertext)
		return err
	})
}

// Audit records an event that stands alone, such as a refusal.
func (s *Store) Audit(ctx context.Context, e audit.Event) error {
	write := func(ctx context.Context, tx pgx.Tx) error { return audit.Append(ctx, tx, e) }
	if e.Workspace == uuid.Nil {
		return s.system(ctx, write)
	}
	return s.InWorkspace(ctx, e.Workspace, write)
}
