package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// FlowSync is a flow whose object in the cluster is behind.
type FlowSync struct {
	FlowID      uuid.UUID
	WorkspaceID uuid.UUID
	Attempts    int
}

// DueFlows takes flows whose turn has come, of all workspaces. Whoever took one
// has it alone for the lease; after that it is due again.
func (s *Store) DueFlows(ctx context.Context, lease time.Duration, limit int) ([]FlowSync, error) {
	var due []FlowSync
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		due, err = many[FlowSync](ctx, tx, `UPDATE flow_sync SET due_at = now() + $1::interval, attempts = attempts + 1, updated_at = now()
			WHERE flow_id IN (SELECT flow_id FROM flow_sync WHERE due_at <= now() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
			RETURNING flow_id, workspace_id, attempts`, lease, limit)
		return err
	})
	return due, err
}

// TakeFlow is DueFlows for one flow. It says whether the caller has it now.
func (s *Store) TakeFlow(ctx context.Context, workspace, id uuid.UUID, lease time.Duration) (bool, error) {
	var taken bool
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE flow_sync SET due_at = now() + $3::interval, attempts = attempts + 1, updated_at = now()
			WHERE workspace_id = $1 AND flow_id = $2 AND due_at <= now()`, workspace, id, lease)
		taken = tag.RowsAffected() > 0
		return err
	})
	return taken, err
}

// FlowApplied notes that the cluster has a version. Where that is not the
// current one, because another was saved or the flow was deleted meanwhile, the
// flow is due at once: a late write may have gone over a newer one.
func (s *Store) FlowApplied(ctx context.Context, workspace, id uuid.UUID, version int64) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE flows SET applied_version = greatest(applied_version, $3)
			WHERE workspace_id = $1 AND id = $2`, workspace, id, version)
		if err != nil {
			return fmt.Errorf("noting the applied version: %w", err)
		}
		_, err = tx.Exec(ctx, `DELETE FROM flow_sync y USING flows f
			WHERE y.workspace_id = $1 AND y.flow_id = $2 AND f.id = y.flow_id AND f.workspace_id = $1
			AND f.deleted_at IS NULL AND f.current_version = $3`, workspace, id, version)
		if err != nil {
			return fmt.Errorf("noting that the cluster is up to date: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO flow_sync (flow_id, workspace_id) SELECT id, workspace_id FROM flows
			WHERE workspace_id = $1 AND id = $2 AND (current_version <> $3 OR deleted_at IS NOT NULL)
			ON CONFLICT (flow_id) DO UPDATE SET due_at = now(), updated_at = now()`, workspace, id, version)
		if err != nil {
			return fmt.Errorf("noting that the cluster is behind: %w", err)
		}
		return nil
	})
}

// FlowNotApplied notes why the cluster does not have the flow's version, and
// when to try again. A save since then, which is due at once, is not put off.
func (s *Store) FlowNotApplied(ctx context.Context, workspace, id uuid.UUID, reason, message string, again time.Duration) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE flow_sync SET reason = $3, message = $4, due_at = now() + $5::interval, updated_at = now()
			WHERE workspace_id = $1 AND flow_id = $2 AND attempts > 0`, workspace, id, reason, message, again)
		return err
	})
}

// PurgeFlow removes a deleted flow for good, with its draft and versions, if it
// was deleted at least so long ago. It returns how long it still has to wait.
func (s *Store) PurgeFlow(ctx context.Context, workspace, id uuid.UUID, after time.Duration) (time.Duration, error) {
	var left time.Duration
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT greatest(deleted_at + $3::interval - now(), '0'::interval) FROM flows
			WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL FOR UPDATE`, workspace, id, after).Scan(&left)
		if err != nil || left > 0 {
			return err
		}
		return affected(ctx, tx, `DELETE FROM flows WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL`, workspace, id)
	})
	return left, err
}

// WorkspaceName returns the name of a workspace.
func (s *Store) WorkspaceName(ctx context.Context, workspace uuid.UUID) (string, error) {
	var name string
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT name FROM workspaces WHERE id = $1`, workspace).Scan(&name)
	})
	return name, err
}
