// Package store keeps the portal's data in Postgres: plain SQL, the workspace
// in every WHERE, and row-level security in the database that says no as well.
//
// Almost everything happens in InWorkspace. The few questions that come before
// a tenant is known (who is logging in, whose endpoint key is this, what should
// the cluster hold) go through functions of the database that answer just that.
package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrNotFound means that there is no such row, or that it is another
	// tenant's: nobody can tell the two apart.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that what should be written contradicts what is
	// stored: a name that is taken, or an older copy.
	ErrConflict = errors.New("conflict")
	// ErrNoWorkspace means that the caller did not say for which tenant it
	// acts. There is no default.
	ErrNoWorkspace = errors.New("no workspace given")
	// ErrUnavailable means that the database did not answer in time.
	ErrUnavailable = errors.New("the database does not answer")
)

// Config says where the database is and how long to wait for it.
type Config struct {
	// URL of the database, with the role of the running portal.
	URL string
	// MaxConns bounds the connections. Default 10.
	MaxConns int32
	// Timeout bounds one transaction, waiting for a connection included.
	// Default 2 s.
	Timeout time.Duration
}

// WithDefaults returns the config with defaults filled in.
func (c Config) WithDefaults() Config {
	if c.MaxConns == 0 {
		c.MaxConns = 10
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	return c
}

// Store is the portal's database.
type Store struct {
	pool    *pgxpool.Pool
	timeout time.Duration
}

// Open prepares the pool. It does not connect: a database that is away for now
// is an error of each call.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.WithDefaults()
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("reading the database URL: it is not a valid postgres:// URL")
	}
	pc.MaxConns = c.MaxConns
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 15 * time.Second
	pc.ConnConfig.ConnectTimeout = c.Timeout
	pc.ConnConfig.RuntimeParams["statement_timeout"] = milliseconds(c.Timeout)
	pc.ConnConfig.RuntimeParams["lock_timeout"] = milliseconds(c.Timeout)
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = milliseconds(2 * c.Timeout)
	pc.ConnConfig.RuntimeParams["application_name"] = "weft-portal"
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("preparing the database pool: %w", err)
	}
	return &Store{pool: pool, timeout: c.Timeout}, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Close ends all connections.
func (s *Store) Close() { s.pool.Close() }

// Ping asks the database whether it is there.
func (s *Store) Ping(ctx context.Context) error {
	return s.system(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := exec(ctx, tx, "SELECT 1")
		return err
	})
}

// InWorkspace runs fn in a transaction that belongs to one workspace: row-level
// security shows and accepts rows of that workspace alone. The transaction is
// committed when fn returns nil.
func (s *Store) InWorkspace(ctx context.Context, workspace uuid.UUID, fn func(ctx context.Context, tx pgx.Tx) error) error {
	if workspace == uuid.Nil {
		return ErrNoWorkspace
	}
	return s.transact(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := exec(ctx, tx, "SELECT set_config('app.workspace_id', $1, true)", workspace.String()); err != nil {
			return fmt.Errorf("setting the workspace of a transaction: %w", err)
		}
		return fn(ctx, tx)
	})
}

// system runs fn in a transaction without a tenant: tenant tables are empty and
// read-only in it.
func (s *Store) system(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	return s.transact(ctx, fn)
}

func (s *Store) transact(ctx context.Context, fn func(ctx context.Context, tx pgx.Tx) error) error {
	bounded, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := pgx.BeginFunc(bounded, s.pool, func(tx pgx.Tx) error { return fn(bounded, tx) })
	return classify(ctx, err)
}

// classify tells apart what callers must tell apart, and keeps the cause.
func classify(caller context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case caller.Err() == nil && unavailable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case sqlState(err) == "23505":
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

func unavailable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) {
		return true
	}
	switch state := sqlState(err); state {
	case "":
		return errors.Is(err, net.ErrClosed) || isUnexpectedEOF(err)
	case "57014", "55P03": // cancelled by statement_timeout, lock_timeout
		return true
	default: // connection exception, insufficient resources, operator intervention
		return state[:2] == "08" || state[:2] == "53" || state[:3] == "57P"
	}
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// NewID returns an identifier for a new row: unique, and in the order of time.
func NewID() uuid.UUID {
	return uuid.Must(uuid.NewV7())
}
