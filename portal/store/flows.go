package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
)

// MaxFlows is how many flows one workspace may have.
const MaxFlows = 1000

// ErrTooMany means that a workspace has as many of something as it may have.
var ErrTooMany = errors.New("too many")

// Flow is what the portal knows of a flow beside its content.
type Flow struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	// Name is the name of the Flow object, fixed at creation.
	Name      string
	Title     string
	CreatedAt time.Time
	UpdatedAt time.Time
	// SavedAt is when the current version was saved; nil where none was.
	SavedAt        *time.Time
	CurrentVersion int64
	// AppliedVersion is the newest version that the cluster has.
	AppliedVersion int64
	DeletedAt      *time.Time
	// SyncReason and SyncMessage say why the cluster does not have the current
	// version yet, where it has refused it.
	SyncReason  string
	SyncMessage string
}

// Draft is the working copy of a flow.
type Draft struct {
	Body json.RawMessage
	// Revision is raised by each write; a write names the one it saw.
	Revision  int64
	UpdatedAt time.Time
}

// FlowVersion is a flow as it was saved once.
type FlowVersion struct {
	Number    int64
	Body      json.RawMessage
	Hash      string
	Note      string
	CreatedAt time.Time
}

const flowColumns = `f.id, f.workspace_id, f.name, f.title, f.created_at, f.updated_at, f.saved_at,
	f.current_version, f.applied_version, f.deleted_at,
	coalesce(y.reason, '') AS sync_reason, coalesce(y.message, '') AS sync_message`

const flowTables = ` FROM flows f LEFT JOIN flow_sync y ON y.flow_id = f.id AND y.workspace_id = f.workspace_id`

// NewFlow is a flow to be created.
type NewFlow struct {
	ID     uuid.UUID
	Name   string
	Title  string
	UserID uuid.UUID
	Draft  json.RawMessage
}

// CreateFlow adds a flow with its first draft. A name that is taken is
// ErrConflict.
func (s *Store) CreateFlow(ctx context.Context, workspace uuid.UUID, n NewFlow) (Flow, error) {
	var flow Flow
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		if err := roomForFlow(ctx, tx, workspace); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO flows (id, workspace_id, name, title, created_by) VALUES ($1, $2, $3, $4, $5)`,
			n.ID, workspace, n.Name, n.Title, n.UserID)
		if err != nil {
			return fmt.Errorf("adding a flow: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO flow_drafts (flow_id, workspace_id, body, updated_by) VALUES ($1, $2, $3, $4)`,
			n.ID, workspace, n.Draft, n.UserID)
		if err != nil {
			return fmt.Errorf("adding a draft: %w", err)
		}
		flow, err = flowByID(ctx, tx, workspace, n.ID)
		return err
	})
	return flow, err
}

func roomForFlow(ctx context.Context, tx pgx.Tx, workspace uuid.UUID) error {
	var count int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM flows WHERE workspace_id = $1 AND deleted_at IS NULL`, workspace).Scan(&count)
	if err != nil {
		return fmt.Errorf("counting flows: %w", err)
	}
	if count >= MaxFlows {
		return ErrTooMany
	}
	return nil
}

func flowByID(ctx context.Context, tx pgx.Tx, workspace, id uuid.UUID) (Flow, error) {
	return one[Flow](ctx, tx, `SELECT `+flowColumns+flowTables+` WHERE f.workspace_id = $1 AND f.id = $2`, workspace, id)
}

// FlowNames returns the names of all flows of the workspace, also of those
// whose deletion is not over.
func (s *Store) FlowNames(ctx context.Context, workspace uuid.UUID) ([]string, error) {
	var names []string
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT name FROM flows WHERE workspace_id = $1 LIMIT $2`, workspace, 2*MaxFlows)
		if err != nil {
			return err
		}
		if names, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return fmt.Errorf("listing the names of flows: %w", err)
		}
		return nil
	})
	return names, err
}

// Flow returns a flow that is not deleted.
func (s *Store) Flow(ctx context.Context, workspace, id uuid.UUID) (Flow, error) {
	flow, err := s.AnyFlow(ctx, workspace, id)
	if err == nil && flow.DeletedAt != nil {
		return Flow{}, ErrNotFound
	}
	return flow, err
}

// AnyFlow returns a flow, also one whose deletion is not over.
func (s *Store) AnyFlow(ctx context.Context, workspace, id uuid.UUID) (Flow, error) {
	var flow Flow
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		flow, err = flowByID(ctx, tx, workspace, id)
		return err
	})
	return flow, err
}

// Flows returns the flows of the workspace that were changed before the cursor,
// the newest first. A zero cursor begins at the start.
func (s *Store) Flows(ctx context.Context, workspace uuid.UUID, before FlowCursor, limit int) ([]Flow, error) {
	var flows []Flow
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		flows, err = many[Flow](ctx, tx, `SELECT `+flowColumns+flowTables+`
			WHERE f.workspace_id = $1 AND f.deleted_at IS NULL
			AND ($2::timestamptz IS NULL OR (f.updated_at, f.id) < ($2, $3))
			ORDER BY f.updated_at DESC, f.id DESC LIMIT $4`,
			workspace, before.updatedAt(), before.ID, limit)
		return err
	})
	return flows, err
}

// FlowCursor is a place in the list of flows.
type FlowCursor struct {
	UpdatedAt time.Time
	ID        uuid.UUID
}

func (c FlowCursor) updatedAt() *time.Time {
	if c.UpdatedAt.IsZero() {
		return nil
	}
	return &c.UpdatedAt
}

// Draft returns the working copy of a flow.
func (s *Store) Draft(ctx context.Context, workspace, id uuid.UUID) (Draft, error) {
	var draft Draft
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		draft, err = one[Draft](ctx, tx, `SELECT body, revision, updated_at FROM flow_drafts
			WHERE workspace_id = $1 AND flow_id = $2`, workspace, id)
		return err
	})
	return draft, err
}

// DraftChange is a new working copy.
type DraftChange struct {
	Body  json.RawMessage
	Title string
	// Revision that the writer saw; another one is stored: ErrConflict.
	Revision int64
	UserID   uuid.UUID
}

// UpdateDraft replaces the working copy and returns its new revision.
func (s *Store) UpdateDraft(ctx context.Context, workspace, id uuid.UUID, c DraftChange) (int64, error) {
	var revision int64
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		stored, err := lockDraft(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if stored != c.Revision {
			return ErrConflict
		}
		revision, err = writeDraft(ctx, tx, workspace, id, c)
		return err
	})
	return revision, err
}

// lockDraft locks flow and draft, in this order, and returns the revision.
func lockDraft(ctx context.Context, tx pgx.Tx, workspace, id uuid.UUID) (int64, error) {
	var revision int64
	err := tx.QueryRow(ctx, `SELECT d.revision FROM flows f JOIN flow_drafts d ON d.flow_id = f.id AND d.workspace_id = f.workspace_id
		WHERE f.workspace_id = $1 AND f.id = $2 AND f.deleted_at IS NULL FOR UPDATE`, workspace, id).Scan(&revision)
	return revision, err
}

func writeDraft(ctx context.Context, tx pgx.Tx, workspace, id uuid.UUID, c DraftChange) (int64, error) {
	var revision int64
	err := tx.QueryRow(ctx, `UPDATE flow_drafts SET body = $3, revision = revision + 1, updated_by = $4, updated_at = now()
		WHERE workspace_id = $1 AND flow_id = $2 RETURNING revision`, workspace, id, c.Body, c.UserID).Scan(&revision)
	if err != nil {
		return 0, fmt.Errorf("writing a draft: %w", err)
	}
	err = affected(ctx, tx, `UPDATE flows SET title = $3, updated_at = now() WHERE workspace_id = $1 AND id = $2`, workspace, id, c.Title)
	return revision, err
}

// FlowSave is a version to be saved.
type FlowSave struct {
	// Spec of the version, and its hash.
	Spec json.RawMessage
	Hash string
	Note string
	// Draft is the working copy that it comes from.
	Draft DraftChange
	// AnyRevision: the save is not bound to a revision of the draft, because
	// its writer never saw one.
	AnyRevision bool
	// Actor for the audit row.
	Actor string
	// Seen is the time of the writer's copy: a later change is stored:
	// ErrConflict. A flow that nobody has changed since it was made takes any
	// time. Nil: no bound.
	Seen *time.Time
}

// SaveFlow adds a version, makes the draft the same, and notes that the cluster
// is behind. A version that equals the current one is not added again.
func (s *Store) SaveFlow(ctx context.Context, workspace, id uuid.UUID, save FlowSave) (Flow, error) {
	var flow Flow
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		revision, err := lockDraft(ctx, tx, workspace, id)
		if err != nil {
			return err
		}
		if !save.AnyRevision && revision != save.Draft.Revision {
			return ErrConflict
		}
		if flow, err = flowByID(ctx, tx, workspace, id); err != nil {
			return err
		}
		if save.Seen != nil && revision > 1 && flow.UpdatedAt.After(*save.Seen) {
			return ErrConflict
		}
		if _, err := writeDraft(ctx, tx, workspace, id, save.Draft); err != nil {
			return err
		}
		if err := addVersion(ctx, tx, flow, save); err != nil {
			return err
		}
		if flow, err = flowByID(ctx, tx, workspace, id); err != nil {
			return err
		}
		return audit.Append(ctx, tx, flowEvent(flow.WorkspaceID, id, save.Actor, "flow.save", fmt.Sprintf("version:%d", flow.CurrentVersion)))
	})
	return flow, err
}

func addVersion(ctx context.Context, tx pgx.Tx, flow Flow, save FlowSave) error {
	tag, err := tx.Exec(ctx, `INSERT INTO flow_versions (flow_id, number, workspace_id, body, hash, note, created_by)
		SELECT $1, $2::bigint + 1, $3, $4, $5, $6, $7 WHERE NOT EXISTS (
			SELECT 1 FROM flow_versions WHERE workspace_id = $3 AND flow_id = $1 AND number = $2 AND body = $4::jsonb)`,
		flow.ID, flow.CurrentVersion, flow.WorkspaceID, save.Spec, save.Hash, save.Note, save.Draft.UserID)
	if err != nil {
		return fmt.Errorf("adding a version: %w", err)
	}
	err = affected(ctx, tx, `UPDATE flows SET current_version = current_version + $3, saved_at = now(), updated_at = now()
		WHERE workspace_id = $1 AND id = $2`, flow.WorkspaceID, flow.ID, tag.RowsAffected())
	if err != nil {
		return fmt.Errorf("naming the current version: %w", err)
	}
	return markDue(ctx, tx, flow.WorkspaceID, flow.ID)
}

func flowEvent(workspace, id uuid.UUID, actor, action, detail string) audit.Event {
	return audit.Event{
		Workspace: workspace, Actor: actor, Action: action, Object: "flow:" + id.String(), Outcome: audit.OK, Detail: detail,
	}
}

func markDue(ctx context.Context, tx pgx.Tx, workspace, id uuid.UUID) error {
	_, err := tx.Exec(ctx, `INSERT INTO flow_sync (flow_id, workspace_id) VALUES ($1, $2)
		ON CONFLICT (flow_id) DO UPDATE SET due_at = now(), attempts = 0, reason = '', message = '', updated_at = now()`, id, workspace)
	if err != nil {
		return fmt.Errorf("noting that the cluster is behind: %w", err)
	}
	return nil
}

// Versions returns the versions of a flow before a number (0: all), the newest
// first.
func (s *Store) Versions(ctx context.Context, workspace, id uuid.UUID, before int64, limit int) ([]FlowVersion, error) {
	var versions []FlowVersion
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		versions, err = many[FlowVersion](ctx, tx, `SELECT number, body, hash, note, created_at FROM flow_versions
			WHERE workspace_id = $1 AND flow_id = $2 AND ($3::bigint = 0 OR number < $3) ORDER BY number DESC LIMIT $4`,
			workspace, id, before, limit)
		return err
	})
	return versions, err
}

// Version returns one version of a flow.
func (s *Store) Version(ctx context.Context, workspace, id uuid.UUID, number int64) (FlowVersion, error) {
	var version FlowVersion
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		version, err = one[FlowVersion](ctx, tx, `SELECT number, body, hash, note, created_at FROM flow_versions
			WHERE workspace_id = $1 AND flow_id = $2 AND number = $3`, workspace, id, number)
		return err
	})
	return version, err
}

// DeleteFlow marks a flow as deleted; it goes for good once the cluster has let
// go of it and nobody has brought it back for a while.
func (s *Store) DeleteFlow(ctx context.Context, workspace, id uuid.UUID, actor string) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		err := affected(ctx, tx, `UPDATE flows SET deleted_at = now()
			WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL`, workspace, id)
		if err != nil {
			return err
		}
		if err := markDue(ctx, tx, workspace, id); err != nil {
			return err
		}
		return audit.Append(ctx, tx, flowEvent(workspace, id, actor, "flow.delete", ""))
	})
}

// UndeleteFlow brings back a flow that was deleted a moment ago.
func (s *Store) UndeleteFlow(ctx context.Context, workspace, id uuid.UUID, actor string) error {
	return s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		err := affected(ctx, tx, `UPDATE flows SET deleted_at = NULL, applied_version = 0, updated_at = now()
			WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NOT NULL`, workspace, id)
		if err != nil {
			return err
		}
		if err := markDue(ctx, tx, workspace, id); err != nil {
			return err
		}
		return audit.Append(ctx, tx, flowEvent(workspace, id, actor, "flow.undelete", ""))
	})
}

// KeyUse is a flow whose draft names a key of the vault.
type KeyUse struct {
	Key    string
	FlowID uuid.UUID
	Title  string
}

// maxKeyUses bounds the answer of KeyUses.
const maxKeyUses = 2000

// KeyUses returns which flows use which keys, by the names of the keys.
func (s *Store) KeyUses(ctx context.Context, workspace uuid.UUID) ([]KeyUse, error) {
	var uses []KeyUse
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		var err error
		uses, err = many[KeyUse](ctx, tx, `SELECT DISTINCT key #>> '{}' AS key, f.id AS flow_id, f.title
			FROM flows f JOIN flow_drafts d ON d.flow_id = f.id AND d.workspace_id = f.workspace_id,
			jsonb_path_query(d.body, '$.spec.components[*].credential.vaultKeyRef.name') AS key
			WHERE f.workspace_id = $1 AND f.deleted_at IS NULL ORDER BY 1, 3, 2 LIMIT $2`, workspace, maxKeyUses)
		return err
	})
	return uses, err
}
