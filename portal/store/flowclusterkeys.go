package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
)

// Endpoint keys of flows that only the cluster knows go by the flow's name.

// CreateClusterEndpointKey stores a key of a flow that was made with kubectl.
// ErrConflict means that the flow has as many keys as it may have.
func (s *Store) CreateClusterEndpointKey(ctx context.Context, k NewEndpointKey, flowName string) (uuid.UUID, error) {
	id := NewID()
	err := s.InWorkspace(ctx, k.WorkspaceID, func(ctx context.Context, tx pgx.Tx) error {
		const insert = `
			INSERT INTO endpoint_keys (id, workspace_id, flow_name, title, hash, last4, expires_at, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
		if err := affected(ctx, tx, insert, id, k.WorkspaceID, flowName, k.Title, k.Hash, k.Last4, k.ExpiresAt, k.CreatedBy); err != nil {
			return err
		}
		var count int
		err := tx.QueryRow(ctx, `SELECT count(*) FROM endpoint_keys WHERE workspace_id = $1 AND flow_id IS NULL AND flow_name = $2`,
			k.WorkspaceID, flowName).Scan(&count)
		if err != nil {
			return err
		}
		if count > maxEndpointKeys {
			return ErrConflict
		}
		return audit.Append(ctx, tx, clusterKeyEvent(k.WorkspaceID, id, k.Actor, "endpointkey.create", flowName))
	})
	return id, err
}

func clusterKeyEvent(workspace, id uuid.UUID, actor, action, flowName string) audit.Event {
	return audit.Event{
		Workspace: workspace, Actor: actor, Action: action,
		Object: "endpointkey:" + id.String(), Outcome: audit.OK, Detail: "flow:" + flowName,
	}
}

// ListClusterEndpointKeys returns the keys of such a flow, newest first.
func (s *Store) ListClusterEndpointKeys(ctx context.Context, workspace uuid.UUID, flowName string) ([]EndpointKey, error) {
	var keys []EndpointKey
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) (err error) {
		keys, err = many[EndpointKey](ctx, tx, `
			SELECT `+endpointKeyColumns+` FROM endpoint_keys k JOIN workspaces w ON w.id = k.workspace_id
			WHERE k.workspace_id = $1 AND k.flow_id IS NULL AND k.flow_name = $2
			ORDER BY k.id DESC LIMIT $3`, workspace, flowName, maxEndpointKeys)
		return err
	})
	return keys, err
}

// RevokeClusterEndpointKey removes a key of such a flow.
func (s *Store) RevokeClusterEndpointKey(ctx context.Context, workspace uuid.UUID, flowName string, key uuid.UUID, actor string) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		const remove = `DELETE FROM endpoint_keys WHERE id = $1 AND workspace_id = $2 AND flow_id IS NULL AND flow_name = $3`
		if err := affected(ctx, tx, remove, key, workspace, flowName); err != nil {
			return err
		}
		return audit.Append(ctx, tx, clusterKeyEvent(workspace, key, actor, "endpointkey.revoke", flowName))
	})
}
