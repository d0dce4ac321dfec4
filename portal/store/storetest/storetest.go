// Package storetest gives each test a database of its own in a real Postgres.
package storetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/weft-run/weft/migrations"
	"github.com/weft-run/weft/portal/store"
)

const (
	env     = "WEFT_TEST_DATABASE_URL"
	timeout = 2 * time.Minute
	// lockKey is the advisory lock under which templates and roles are made:
	// roles belong to the whole server, which several test programs share.
	lockKey = 7311
)

// Database is a test's own database.
type Database struct {
	// Store works with the role of the running portal.
	Store *store.Store
	// AppURL and AdminURL lead to the database as that role and as superuser.
	AppURL, AdminURL string
}

// New makes a database with the whole schema, and drops it after the test.
// Without a server to make it in, the test is skipped.
func New(tb testing.TB) *Database {
	tb.Helper()
	server := os.Getenv(env)
	if server == "" {
		tb.Skip(env + " is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin := connect(ctx, tb, server)
	defer closeConn(ctx, tb, admin)

	name := "weft_test_" + strings.ToLower(rand.Text()[:16])
	template := ensureTemplate(ctx, tb, admin, server)
	exec(ctx, tb, admin, "CREATE DATABASE "+name+" TEMPLATE "+template)
	d := &Database{AdminURL: with(tb, server, nil, name), AppURL: with(tb, server, url.UserPassword(name, rand.Text()), name)}
	tb.Cleanup(func() { drop(tb, server, name) })
	makeRole(ctx, tb, admin, d)
	return d.open(tb)
}

func (d *Database) open(tb testing.TB) *Database {
	tb.Helper()
	// The machine may be busy; tests of time-outs open a store of their own.
	opened, err := store.Open(context.Background(), store.Config{URL: d.AppURL, MaxConns: 4, Timeout: 20 * time.Second})
	if err != nil {
		tb.Fatalf("opening the store: %v", err)
	}
	tb.Cleanup(opened.Close)
	d.Store = opened
	return d
}

// Admin connects as superuser.
func (d *Database) Admin(tb testing.TB) *pgx.Conn {
	tb.Helper()
	conn := connect(context.Background(), tb, d.AdminURL)
	tb.Cleanup(func() { closeConn(context.Background(), tb, conn) })
	return conn
}

// App connects as the role of the running portal.
func (d *Database) App(tb testing.TB) *pgx.Conn {
	tb.Helper()
	conn := connect(context.Background(), tb, d.AppURL)
	tb.Cleanup(func() { closeConn(context.Background(), tb, conn) })
	return conn
}

// ensureTemplate makes, once for each state of the migrations, a database that
// the tests' databases are copies of.
func ensureTemplate(ctx context.Context, tb testing.TB, admin *pgx.Conn, server string) string {
	tb.Helper()
	name := "weft_template_" + fingerprint(tb)
	locked(ctx, tb, admin, func() {
		var exists bool
		if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
			tb.Fatalf("looking for the template: %v", err)
		}
		if exists {
			return
		}
		draft := name + "_draft"
		exec(ctx, tb, admin, "DROP DATABASE IF EXISTS "+draft+" WITH (FORCE)")
		exec(ctx, tb, admin, "CREATE DATABASE "+draft)
		migrate(ctx, tb, with(tb, server, nil, draft))
		exec(ctx, tb, admin, "ALTER DATABASE "+draft+" RENAME TO "+name)
	})
	return name
}

func migrate(ctx context.Context, tb testing.TB, address string) {
	tb.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		tb.Fatalf("reading the template's URL: %v", err)
	}
	db := stdlib.OpenDB(*config)
	if err := errors.Join(migrations.Up(ctx, db), db.Close()); err != nil {
		tb.Fatalf("migrating the template: %v", err)
	}
}

func fingerprint(tb testing.TB) string {
	tb.Helper()
	hash := sha256.New()
	files := migrations.Files()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		tb.Fatalf("listing the migrations: %v", err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			tb.Fatalf("reading %s: %v", name, err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

func makeRole(ctx context.Context, tb testing.TB, admin *pgx.Conn, d *Database) {
	tb.Helper()
	inside := connect(ctx, tb, d.AdminURL)
	defer closeConn(ctx, tb, inside)
	locked(ctx, tb, admin, func() {
		if err := store.EnsureRole(ctx, inside, d.AppURL); err != nil {
			tb.Fatalf("making the portal's role: %v", err)
		}
	})
}

func drop(tb testing.TB, server, name string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin := connect(ctx, tb, server)
	defer closeConn(ctx, tb, admin)
	exec(ctx, tb, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	locked(ctx, tb, admin, func() { exec(ctx, tb, admin, "DROP ROLE IF EXISTS "+name) })
}

// locked does something that test programs must not do at the same time.
func locked(ctx context.Context, tb testing.TB, admin *pgx.Conn, do func()) {
	tb.Helper()
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
		tb.Fatalf("waiting for other tests: %v", err)
	}
	defer func() {
		if _, err := admin.Exec(ctx, "SELECT pg_advisory_unlock($1)", lockKey); err != nil {
			tb.Errorf("letting other tests go on: %v", err)
		}
	}()
	do()
}

func connect(ctx context.Context, tb testing.TB, address string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		tb.Fatalf("connecting to the test database: %v", err)
	}
	return conn
}

func closeConn(ctx context.Context, tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	if err := conn.Close(ctx); err != nil && !conn.IsClosed() {
		tb.Errorf("closing a connection: %v", err)
	}
}

func exec(ctx context.Context, tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	_, err := conn.Exec(ctx, sql)
	var known *pgconn.PgError
	if errors.As(err, &known) && known.Code == "55006" { // a copy of the template is being made
		_, err = conn.Exec(ctx, sql)
	}
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

func with(tb testing.TB, server string, user *url.Userinfo, database string) string {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("reading %s: %v", env, err)
	}
	u.Path = "/" + database
	if user != nil {
		u.User = user
	}
	return u.String()
}
