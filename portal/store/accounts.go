package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
)

// User is an account.
type User struct {
	ID            uuid.UUID  `db:"id"`
	Email         string     `db:"email"`
	Name          string     `db:"name"`
	Birth         time.Time  `db:"birth"`
	PasswordHash  string     `db:"password_hash"`
	Administrator bool       `db:"administrator"`
	DisabledAt    *time.Time `db:"disabled_at"`
}

const userColumns = `id, email, name, birth, password_hash, administrator, disabled_at`

// NewAccount is an account to be made, with its workspace and first session.
type NewAccount struct {
	User      User
	Workspace Workspace
	Session   NewSession
}

// CreateAccount stores an account, its workspace, its first session and the
// audit row, all or nothing. The first account of all becomes administrator.
// ErrConflict means that the e-mail address has an account.
func (s *Store) CreateAccount(ctx context.Context, a NewAccount) (User, error) {
	user := a.User
	err := s.InWorkspace(ctx, a.Workspace.ID, func(ctx context.Context, tx pgx.Tx) error {
		first, err := isFirstAccount(ctx, tx)
		if err != nil {
			return err
		}
		user.Administrator = first
		if err := insertUser(ctx, tx, user); err != nil {
			return err
		}
		const workspace = `INSERT INTO workspaces (id, name, title, owner_kind, owner_id) VALUES ($1, $2, $3, $4, $5)`
		if _, err := exec(ctx, tx, workspace, a.Workspace.ID, a.Workspace.Name, a.Workspace.Title, OwnerUser, user.ID); err != nil {
			return err
		}
		if err := insertSession(ctx, tx, user.ID, a.Session); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Event{
			Workspace: a.Workspace.ID, Actor: "user:" + user.ID.String(), Action: "account.create",
			Object: "user:" + user.ID.String(), Outcome: audit.OK,
		})
	})
	return user, err
}

// isFirstAccount decides who becomes administrator. Only while there is no
// account at all, sign-ups wait for one another.
func isFirstAccount(ctx context.Context, tx pgx.Tx) (bool, error) {
	const none = `SELECT NOT EXISTS (SELECT 1 FROM users)`
	var first bool
	if err := scan(tx.QueryRow(ctx, none), &first); err != nil || !first {
		return false, err
	}
	if _, err := exec(ctx, tx, `SELECT pg_advisory_xact_lock(hashtext('weft first account'))`); err != nil {
		return false, err
	}
	err := scan(tx.QueryRow(ctx, none), &first)
	return first, err
}

func insertUser(ctx context.Context, tx pgx.Tx, u User) error {
	const insert = `INSERT INTO users (id, email, name, birth, password_hash, administrator) VALUES ($1, $2, $3, $4, $5, $6)`
	_, err := exec(ctx, tx, insert, u.ID, u.Email, u.Name, u.Birth, u.PasswordHash, u.Administrator)
	return err
}

// FindUserByEmail returns the account with that address.
func (s *Store) FindUserByEmail(ctx context.Context, email string) (User, error) {
	return s.user(ctx, `SELECT `+userColumns+` FROM users WHERE email = $1`, email)
}

// FindUser returns an account.
func (s *Store) FindUser(ctx context.Context, id uuid.UUID) (User, error) {
	return s.user(ctx, `SELECT `+userColumns+` FROM users WHERE id = $1`, id)
}

func (s *Store) user(ctx context.Context, query string, arg any) (User, error) {
	var found User
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = one[User](ctx, tx, query, arg)
		return err
	})
	return found, err
}

// DeleteAccount removes an account and everything that was only its own. The
// row of its workspace stays, without content, until the cluster has forgotten
// it too. It returns the ids of the sessions that ended.
func (s *Store) DeleteAccount(ctx context.Context, user, workspace uuid.UUID, at time.Time) ([]uuid.UUID, error) {
	var ended []uuid.UUID
	err := s.InWorkspace(ctx, workspace, func(ctx context.Context, tx pgx.Tx) error {
		const mark = `UPDATE workspaces SET deleted_at = $3, title = '' WHERE id = $1 AND owner_kind = 'User' AND owner_id = $2 AND deleted_at IS NULL`
		if err := affected(ctx, tx, mark, workspace, user, at); err != nil {
			return err
		}
		for _, remove := range []string{
			`DELETE FROM flows WHERE workspace_id = $1`,
			`DELETE FROM endpoint_keys WHERE workspace_id = $1`,
			`DELETE FROM vault_keys WHERE workspace_id = $1`,
			`DELETE FROM teams WHERE workspace_id = $1`,
		} {
			if _, err := exec(ctx, tx, remove, workspace); err != nil {
				return err
			}
		}
		var err error
		if ended, err = deleteUser(ctx, tx, user); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Event{
			Workspace: workspace, Actor: "user:" + user.String(), Action: "account.delete",
			Object: "user:" + user.String(), Outcome: audit.OK,
		})
	})
	return ended, err
}

func deleteUser(ctx context.Context, tx pgx.Tx, user uuid.UUID) ([]uuid.UUID, error) {
	ended, err := column[uuid.UUID](ctx, tx, `DELETE FROM sessions WHERE user_id = $1 RETURNING id`, user)
	if err != nil {
		return nil, err
	}
	return ended, affected(ctx, tx, `DELETE FROM users WHERE id = $1`, user)
}

// LoginFailures tells how often, and when last, logging in failed under a name.
func (s *Store) LoginFailures(ctx context.Context, nameHash []byte) (failures int, last time.Time, err error) {
	err = s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		err := scan(tx.QueryRow(ctx, `SELECT failures, last_at FROM login_failures WHERE name_hash = $1`, nameHash), &failures, &last)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return failures, last, err
}

// LoginFailed counts a failure under a name. Those of more than an hour ago do
// not count any more.
func (s *Store) LoginFailed(ctx context.Context, nameHash []byte, at time.Time) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := exec(ctx, tx, `
			INSERT INTO login_failures AS f (name_hash, failures, last_at) VALUES ($1, 1, $2)
			ON CONFLICT (name_hash) DO UPDATE SET last_at = $2,
				failures = CASE WHEN f.last_at < $2::timestamptz - interval '1 hour' THEN 1 ELSE least(f.failures + 1, 1000) END`, nameHash, at)
		return err
	})
}
