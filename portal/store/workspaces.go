package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Workspace is a tenant.
type Workspace struct {
	ID    uuid.UUID `db:"id"`
	Name  string    `db:"name"`
	Title string    `db:"title"`
	// UID of the Workspace object; nil until the cluster has it.
	UID       *string   `db:"uid"`
	OwnerKind string    `db:"owner_kind"`
	OwnerID   uuid.UUID `db:"owner_id"`
}

// Owner kinds of a workspace.
const (
	OwnerUser = "User"
	OwnerTeam = "Team"
)

// WorkspaceWork is a workspace that the cluster may not agree about.
type WorkspaceWork struct {
	Workspace
	// Deleted says that the object should go.
	Deleted bool `db:"deleted"`
}

// FindWorkspace returns the workspace of that name.
func (s *Store) FindWorkspace(ctx context.Context, name string) (Workspace, error) {
	var found Workspace
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = one[Workspace](ctx, tx, `SELECT id, name, title, uid, owner_kind, owner_id FROM weft_workspace_by_name($1)`, name)
		return err
	})
	return found, err
}

// MemberRole returns the user's role in a workspace, ErrNotFound for strangers.
func (s *Store) MemberRole(ctx context.Context, user, workspace uuid.UUID) (string, error) {
	var role string
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		const query = `
			SELECT 'owner' FROM workspaces
			WHERE id = $1 AND owner_kind = 'User' AND owner_id = $2 AND deleted_at IS NULL
			UNION ALL
			SELECT role FROM members WHERE workspace_id = $1 AND user_id = $2
			LIMIT 1`
		return scan(tx.QueryRow(ctx, query, workspace, user), &role)
	})
	return role, err
}

// WorkspacesToReconcile returns the workspaces that the cluster does not know
// of yet, or should forget; all of them when everything is asked for.
func (s *Store) WorkspacesToReconcile(ctx context.Context, everything bool) ([]WorkspaceWork, error) {
	var work []WorkspaceWork
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		work, err = many[WorkspaceWork](ctx, tx, `SELECT id, name, title, owner_kind, owner_id, uid, deleted FROM weft_workspaces_to_reconcile($1)`, everything)
		return err
	})
	return work, err
}

// WorkspaceProvisioned notes that the cluster has the workspace's object.
func (s *Store) WorkspaceProvisioned(ctx context.Context, workspace uuid.UUID, uid string, at time.Time) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		return affected(ctx, tx, `UPDATE workspaces SET uid = $2, provisioned_at = $3 WHERE id = $1`, workspace, uid, at)
	})
}

// ForgetWorkspace removes a deleted workspace once the cluster has forgotten
// it too.
func (s *Store) ForgetWorkspace(ctx context.Context, workspace uuid.UUID) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		return affected(ctx, tx, `DELETE FROM workspaces WHERE id = $1 AND deleted_at IS NOT NULL`, workspace)
	})
}
