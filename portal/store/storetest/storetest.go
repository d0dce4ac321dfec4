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
func New(t testing.TB) *Database {
	t.Helper()
	server := os.Getenv(env)
	if server == "" {
		t.Skip(env + " is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin := connect(t, ctx, server)
	defer closeConn(t, admin)

	name := "weft_test_" + strings.ToLower(rand.Text()[:16])
	template := ensureTemplate(t, ctx, admin, server)
	exec(t, ctx, admin, "CREATE DATABASE "+name+" TEMPLATE "+template)
	d := &Database{AdminURL: with(t, server, nil, name), AppURL: with(t, server, url.UserPassword(name, rand.Text()), name)}
	t.Cleanup(func() { drop(t, server, name) })
	makeRole(t, ctx, admin, d)
	return d.open(t)
}

func (d *Database) open(t testing.TB) *Database {
	t.Helper()
	// The machine may be busy; tests of time-outs open a store of their own.
	opened, err := store.Open(context.Background(), store.Config{URL: d.AppURL, MaxConns: 4, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(opened.Close)
	d.Store = opened
	return d
}

// Admin connects as superuser.
func (d *Database) Admin(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := connect(t, context.Background(), d.AdminURL)
	t.Cleanup(func() { closeConn(t, conn) })
	return conn
}

// App connects as the role of the running portal.
func (d *Database) App(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := connect(t, context.Background(), d.AppURL)
	t.Cleanup(func() { closeConn(t, conn) })
	return conn
}

// ensureTemplate makes, once for each state of the migrations, a database that
// the tests' databases are copies of.
func ensureTemplate(t testing.TB, ctx context.Context, admin *pgx.Conn, server string) string {
	t.Helper()
	name := "weft_template_" + fingerprint(t)
	locked(t, ctx, admin, func() {
		var exists bool
		if err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
			t.Fatalf("looking for the template: %v", err)
		}
		if exists {
			return
		}
		draft := name + "_draft"
		exec(t, ctx, admin, "DROP DATABASE IF EXISTS "+draft+" WITH (FORCE)")
		exec(t, ctx, admin, "CREATE DATABASE "+draft)
		migrate(t, ctx, with(t, server, nil, draft))
		exec(t, ctx, admin, "ALTER DATABASE "+draft+" RENAME TO "+name)
	})
	return name
}

func migrate(t testing.TB, ctx context.Context, address string) {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatalf("reading the template's URL: %v", err)
	}
	db := stdlib.OpenDB(*config)
	if err := errors.Join(migrations.Up(ctx, db), db.Close()); err != nil {
		t.Fatalf("migrating the template: %v", err)
	}
}

func fingerprint(t testing.TB) string {
	t.Helper()
	hash := sha256.New()
	files := migrations.Files()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		t.Fatalf("listing the migrations: %v", err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

func makeRole(t testing.TB, ctx context.Context, admin *pgx.Conn, d *Database) {
	t.Helper()
	inside := connect(t, ctx, d.AdminURL)
	defer closeConn(t, inside)
	locked(t, ctx, admin, func() {
		if err := store.EnsureRole(ctx, inside, d.AppURL); err != nil {
			t.Fatalf("making the portal's role: %v", err)
		}
	})
}

func drop(t testing.TB, server, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin := connect(t, ctx, server)
	defer closeConn(t, admin)
	exec(t, ctx, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	locked(t, ctx, admin, func() { exec(t, ctx, admin, "DROP ROLE IF EXISTS "+name) })
}

// locked does something that test programs must not do at the same time.
func locked(t testing.TB, ctx context.Context, admin *pgx.Conn, do func()) {
	t.Helper()
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
		t.Fatalf("waiting for other tests: %v", err)
	}
	defer func() {
		if _, err := admin.Exec(ctx, "SELECT pg_advisory_unlock($1)", lockKey); err != nil {
			t.Errorf("letting other tests go on: %v", err)
		}
	}()
	do()
}

func connect(t testing.TB, ctx context.Context, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatalf("connecting to the test database: %v", err)
	}
	return conn
}

func closeConn(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	if err := conn.Close(context.Background()); err != nil && !conn.IsClosed() {
		t.Errorf("closing a connection: %v", err)
	}
}

func exec(t testing.TB, ctx context.Context, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(ctx, sql)
	var known *pgconn.PgError
	if errors.As(err, &known) && known.Code == "55006" { // a copy of the template is being made
		_, err = conn.Exec(ctx, sql)
	}
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func with(t testing.TB, server string, user *url.Userinfo, database string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("reading %s: %v", env, err)
	}
	u.Path = "/" + database
	if user != nil {
		u.User = user
	}
	return u.String()
}
