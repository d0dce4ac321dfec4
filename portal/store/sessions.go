package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/audit"
)

// ErrReused means that a refresh token came a second time: its session is over.
var ErrReused = errors.New("the refresh token was used before")

// NewSession is a session to be stored: hashes only.
type NewSession struct {
	ID          uuid.UUID
	TokenHash   []byte
	RefreshHash []byte
	ExpiresAt   time.Time
}

// Session is a living session with what must be known of its user.
type Session struct {
	ID            uuid.UUID `db:"id"             json:"id"`
	UserID        uuid.UUID `db:"user_id"        json:"user_id"`
	TokenHash     []byte    `db:"token_hash"     json:"token_hash"`
	ExpiresAt     time.Time `db:"expires_at"     json:"expires_at"`
	Email         string    `db:"email"          json:"email"`
	Name          string    `db:"name"           json:"name"`
	Administrator bool      `db:"administrator"  json:"administrator"`
	WorkspaceID   uuid.UUID `db:"workspace_id"   json:"workspace_id"`
	WorkspaceName string    `db:"workspace_name" json:"workspace_name"`
}

const sessionQuery = `
	SELECT s.id, s.user_id, s.token_hash, s.expires_at, u.email, u.name, u.administrator,
	       w.id AS workspace_id, w.name AS workspace_name
	FROM sessions s
	JOIN users u ON u.id = s.user_id AND u.disabled_at IS NULL
	CROSS JOIN LATERAL weft_personal_workspace(u.id) w
	WHERE s.id = $1 AND s.expires_at > $2`

// FindSession returns a session that has neither ended nor expired, of a user
// who is not disabled.
func (s *Store) FindSession(ctx context.Context, id uuid.UUID, now time.Time) (Session, error) {
	var found Session
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = one[Session](ctx, tx, sessionQuery, id, now)
		return err
	})
	return found, err
}

// Login stores a new session in place of an old one, if there was one, forgets
// the failures under the name, and writes the audit row.
func (s *Store) Login(ctx context.Context, user uuid.UUID, n NewSession, replaces *uuid.UUID, nameHash []byte, now time.Time) (Session, error) {
	var session Session
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if replaces != nil {
			if _, err := exec(ctx, tx, `DELETE FROM sessions WHERE id = $1`, *replaces); err != nil {
				return err
			}
		}
		if _, err := exec(ctx, tx, `DELETE FROM login_failures WHERE name_hash = $1`, nameHash); err != nil {
			return err
		}
		if err := insertSession(ctx, tx, user, n); err != nil {
			return err
		}
		var err error
		if session, err = one[Session](ctx, tx, sessionQuery, n.ID, now); err != nil {
			return err
		}
		return appendSessionEvent(ctx, tx, "session.start", user, n.ID, audit.OK)
	})
	return session, err
}

func insertSession(ctx context.Context, tx pgx.Tx, user uuid.UUID, n NewSession) error {
	const session = `INSERT INTO sessions (id, user_id, token_hash, expires_at) VALUES ($1, $2, $3, $4)`
	if _, err := exec(ctx, tx, session, n.ID, user, n.TokenHash, n.ExpiresAt); err != nil {
		return err
	}
	return insertRefresh(ctx, tx, n.ID, n.RefreshHash)
}

func insertRefresh(ctx context.Context, tx pgx.Tx, session uuid.UUID, hash []byte) error {
	_, err := exec(ctx, tx, `INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)`, hash, session)
	return err
}

func appendSessionEvent(ctx context.Context, tx pgx.Tx, action string, user, session uuid.UUID, outcome string) error {
	return audit.Append(ctx, tx, audit.Event{
		Actor: "user:" + user.String(), Action: action, Object: "session:" + session.String(), Outcome: outcome,
	})
}

// EndSession ends a session. One that is over already is no error.
func (s *Store) EndSession(ctx context.Context, user, session uuid.UUID) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		ended, err := exec(ctx, tx, `DELETE FROM sessions WHERE id = $1 AND user_id = $2`, session, user)
		if err != nil || ended == 0 {
			return err
		}
		return appendSessionEvent(ctx, tx, "session.end", user, session, audit.OK)
	})
}

// RotateRefresh exchanges a refresh token for the next one of its session. With
// ErrReused the session is over, and its id is returned all the same.
func (s *Store) RotateRefresh(ctx context.Context, old, next []byte, now time.Time) (Session, error) {
	var session Session
	reused := false
	err := s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var usedAt *time.Time
		const find = `SELECT session_id, used_at FROM refresh_tokens WHERE hash = $1 FOR UPDATE`
		if err := scan(tx.QueryRow(ctx, find, old), &session.ID, &usedAt); err != nil {
			return err
		}
		if usedAt != nil {
			reused = true
			return endFamily(ctx, tx, session.ID)
		}
		var err error
		if session, err = one[Session](ctx, tx, sessionQuery, session.ID, now); err != nil {
			return err
		}
		if err := affected(ctx, tx, `UPDATE refresh_tokens SET used_at = $2 WHERE hash = $1`, old, now); err != nil {
			return err
		}
		return insertRefresh(ctx, tx, session.ID, next)
	})
	if err == nil && reused {
		err = ErrReused
	}
	return session, err
}

func endFamily(ctx context.Context, tx pgx.Tx, session uuid.UUID) error {
	var user uuid.UUID
	if err := scan(tx.QueryRow(ctx, `DELETE FROM sessions WHERE id = $1 RETURNING user_id`, session), &user); err != nil {
		return err
	}
	return appendSessionEvent(ctx, tx, "session.end", user, session, audit.Denied)
}

// Tidy removes what has expired.
func (s *Store) Tidy(ctx context.Context, now time.Time) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := exec(ctx, tx, `DELETE FROM sessions WHERE expires_at <= $1`, now); err != nil {
			return err
		}
		_, err := exec(ctx, tx, `DELETE FROM login_failures WHERE last_at < $1::timestamptz - interval '1 day'`, now)
		return err
	})
}
