package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
)

// maxEndpointKeys bounds the endpoint keys of one flow.
const maxEndpointKeys = 100

// EndpointKey lets its holder call one flow. The key itself is not kept.
type EndpointKey struct {
	ID            uuid.UUID  `db:"id"`
	WorkspaceID   uuid.UUID  `db:"workspace_id"`
	WorkspaceName string     `db:"workspace_name"`
	FlowID        *uuid.UUID `db:"flow_id"`
	FlowName      string     `db:"flow_name"`
	Title         string     `db:"title"`
	Last4         string     `db:"last4"`
	ExpiresAt     *time.Time `db:"expires_at"`
	LastUsedAt    *time.Time `db:"last_used_at"`
	CreatedAt     time.Time  `db:"created_at"`
}

// NewEndpointKey is an endpoint key to be stored.
type NewEndpointKey struct {
	WorkspaceID uuid.UUID
	FlowID      uuid.UUID
	Title       string
	// Hash is the SHA-256 of the whole key.
	Hash      []byte
	Last4     string
	ExpiresAt *time.Time
	CreatedBy uuid.UUID
	Actor     string
}

const endpointKeyColumns = `k.id, k.workspace_id, w.name AS workspace_name, k.flow_id, k.flow_name, k.title, k.last4, k.expires_at, k.last_used_at, k.created_at`

// CreateEndpointKey stores a key of one flow, with its audit row. ErrConflict
// means that the flow has as many keys as it may have.
func (s *Store) CreateEndpointKey(ctx context.Context, k NewEndpointKey) (uuid.UUID, error) {
	id := NewID()
	err := s.InWorkspace(ctx, k.WorkspaceID, func(ctx context.Context, tx pgx.Tx) error {
		const insert = `
			INSERT INTO endpoint_keys (id, workspace_id, flow_id, flow_name, title, hash, last4, expires_at, created_by)
			SELECT $1, $2, f.id, f.name, $4, $5, $6, $7, $8 FROM flows f
			WHERE f.id = $3 AND f.workspace_id = $2 AND f.deleted_at IS NULL`
		if err := affected(ctx, tx, insert, id, k.WorkspaceID, k.FlowID, k.Title, k.Hash, k.Last4, k.ExpiresAt, k.CreatedBy); err != nil {
			return err
		}
		var count int
		if err := scan(tx.QueryRow(ctx, `SELECT count(*) FROM endpoint_keys WHERE workspace_id = $1 AND flow_id = $2`, k.WorkspaceID, k.FlowID), &count); err != nil {
			return err
		}
		if count > maxEndpointKeys {
			return ErrConflict
		}
		return audit.Append(ctx, tx, audit.Event{
			Workspace: k.WorkspaceID, Actor: k.Actor, Action: "endpointkey.create",
			Object: "endpointkey:" + id.String(), Outcome: audit.OK, Detail: "flow:" + k.FlowID.String(),
		})
	})
	return id, err
}

// ListEndpointKeys returns the keys of one flow, newest first.
func (s *Store) ListEndpointKeys(ctx context.Context, workspace, flow uuid.UUID) ([]EndpointKey, error) {
	var keys []EndpointKey
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) (err error) {
		keys, err = many[EndpointKey](ctx, tx, `
			SELECT `+endpointKeyColumns+` FROM endpoint_keys k JOIN workspaces w ON w.id = k.workspace_id
			WHERE k.workspace_id = $1 AND k.flow_id = $2
			ORDER BY k.id DESC LIMIT $3`, workspace, flow, maxEndpointKeys)
		return err
	})
	return keys, err
}

// RevokeEndpointKey removes a key of one flow, with its audit row.
func (s *Store) RevokeEndpointKey(ctx context.Context, workspace, flow, key uuid.UUID, actor string) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		const remove = `DELETE FROM endpoint_keys WHERE id = $1 AND workspace_id = $2 AND flow_id = $3`
		if err := affected(ctx, tx, remove, key, workspace, flow); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Event{
			Workspace: workspace, Actor: actor, Action: "endpointkey.revoke",
			Object: "endpointkey:" + key.String(), Outcome: audit.OK, Detail: "flow:" + flow.String(),
		})
	})
}

// FindEndpointKey returns the key with that SHA-256. Whether it has expired is
// the caller's to judge.
func (s *Store) FindEndpointKey(ctx context.Context, hash []byte) (EndpointKey, error) {
	var found EndpointKey
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = one[EndpointKey](ctx, tx, `
			SELECT id, workspace_id, workspace_name, flow_id, flow_name, title, last4, expires_at, last_used_at, created_at
			FROM weft_endpoint_key_by_hash($1)`, hash)
		return err
	})
	return found, err
}

// TouchEndpointKey notes that a key was used, at most once a minute.
func (s *Store) TouchEndpointKey(ctx context.Context, workspace, key uuid.UUID, at time.Time) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		_, err := exec(ctx, tx, `
			UPDATE endpoint_keys SET last_used_at = $3
			WHERE id = $1 AND workspace_id = $2 AND (last_used_at IS NULL OR last_used_at < $3::timestamptz - interval '1 minute')`, key, workspace, at)
		return err
	})
}
