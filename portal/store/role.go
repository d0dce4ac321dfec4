package store

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// groupRole is the role that the migrations grant rights to.
const groupRole = "weft_app"

const scramIterations = 4096

// EnsureRole lets the user of a database URL log in as the running portal, with
// the password of that URL. admin must be connected as the database's owner.
func EnsureRole(ctx context.Context, admin *pgx.Conn, appURL string) error {
	app, err := pgx.ParseConfig(appURL)
	if err != nil || app.User == "" || app.Password == "" {
		return errors.New("WEFT_DATABASE_URL must be a postgres:// URL with the user and the password of the portal's role")
	}
	if app.User == admin.Config().User {
		return errors.New("WEFT_DATABASE_URL and WEFT_DATABASE_ADMIN_URL have the same user: row-level security would not hold for the tables' owner")
	}
	verifier, err := scramVerifier(app.Password)
	if err != nil {
		return err
	}
	if err := pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error { return ensureRole(ctx, tx, app.User, verifier) }); err != nil {
		return fmt.Errorf("making the portal's role: %w", err)
	}
	return nil
}

func ensureRole(ctx context.Context, tx pgx.Tx, user, verifier string) error {
	// Two replicas that alter the same role at once would fail.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('weft role'))`); err != nil {
		return fmt.Errorf("waiting for another replica: %w", err)
	}
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)`, user).Scan(&exists); err != nil {
		return fmt.Errorf("looking for the portal's role: %w", err)
	}
	name := pgx.Identifier{user}.Sanitize()
	verb := "ALTER"
	if !exists {
		verb = "CREATE"
	}
	// The verifier holds only base64 and punctuation that needs no quoting.
	if _, err := tx.Exec(ctx, verb+` ROLE `+name+` LOGIN PASSWORD '`+verifier+`'`); err != nil {
		return fmt.Errorf("setting the portal's role up: %w", err)
	}
	if user == groupRole {
		return nil
	}
	if _, err := tx.Exec(ctx, `GRANT `+groupRole+` TO `+name); err != nil {
		return fmt.Errorf("giving the portal's role its rights: %w", err)
	}
	return nil
}

// scramVerifier returns what Postgres keeps of a password (RFC 5803), so that
// the password itself never stands in a statement, which might be logged.
func scramVerifier(password string) (string, error) {
	var salt [16]byte
	rand.Read(salt[:]) // never fails: it ends the program instead
	salted, err := pbkdf2.Key(sha256.New, password, salt[:], scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("deriving the portal's password: %w", err)
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt[:]), encode(stored[:]), encode(mac("Server Key"))), nil
}

// CheckRole refuses a role for which row-level security does not hold.
func (s *Store) CheckRole(ctx context.Context) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var bypasses, owns bool
		const query = `
			SELECT r.rolsuper OR r.rolbypassrls,
			       EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			               WHERE n.nspname = 'public' AND c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE'))
			FROM pg_roles r WHERE r.rolname = current_user`
		if err := tx.QueryRow(ctx, query).Scan(&bypasses, &owns); err != nil {
			return fmt.Errorf("looking at the database role: %w", err)
		}
		if bypasses || owns {
			return errors.New("the role of WEFT_DATABASE_URL is a superuser, may bypass row-level security, or owns the tables: use the role that `portal init` makes")
		}
		return nil
	})
}
