package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/weft-run/weft/migrations"
	"github.com/weft-run/weft/portal/audit"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/store/storetest"
)

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// withoutTenant are the tables that hold no tenant's data, each with the
// reason; every other table must carry row-level security.
var withoutTenant = map[string]string{
	"users":            "accounts belong to people",
	"sessions":         "sessions belong to people",
	"refresh_tokens":   "they belong to sessions",
	"login_failures":   "hashes of names that were tried",
	"flow_sync":        "ids and the cluster's errors, worked off across workspaces",
	"vault_kek_probes": "known texts",
	"goose_db_version": "the schema's version; the portal's role has no right to it",
}

func tables(t *testing.T, d *storetest.Database) []string {
	t.Helper()
	rows, err := d.Admin(t).Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
	if err != nil {
		t.Fatalf("listing tables: %v", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("listing tables: %v", err)
	}
	return names
}

func tenantTables(t *testing.T, d *storetest.Database) []string {
	t.Helper()
	return slices.DeleteFunc(tables(t, d), func(name string) bool { return withoutTenant[name] != "" })
}

// addFlow puts a flow with a draft and a version into a workspace.
func addFlow(t *testing.T, d *storetest.Database, workspace uuid.UUID, name string) uuid.UUID {
	t.Helper()
	id := store.NewID()
	for _, sql := range []string{
		`INSERT INTO flows (id, workspace_id, name, title) VALUES ($1, $2, '` + name + `', 'Title')`,
		`INSERT INTO flow_drafts (flow_id, workspace_id, body) VALUES ($1, $2, '{}')`,
		`INSERT INTO flow_versions (flow_id, number, workspace_id, body, hash) VALUES ($1, 1, $2, '{}', 'abc')`,
		`INSERT INTO flow_sync (flow_id, workspace_id) VALUES ($1, $2)`,
	} {
		if _, err := d.Admin(t).Exec(t.Context(), sql, id, workspace); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return id
}

func addVaultKey(t *testing.T, d *storetest.Database, workspace, user uuid.UUID, name string) store.VaultKey {
	t.Helper()
	key, err := d.Store.CreateVaultKey(t.Context(), store.NewVaultKey{
		WorkspaceID: workspace, Name: name, Title: "Title", Provider: "openai", Last4: "abcd", By: user, Actor: "user:x",
		Seal: func(store.Binding) (store.Sealed, error) {
			return store.Sealed{KEKID: "k", WrappedDEK: []byte{1}, Ciphertext: []byte{2}}, nil
		},
	})
	if err != nil {
		t.Fatalf("CreateVaultKey: %v", err)
	}
	return key
}

// fill puts a row into every tenant table.
func fill(t *testing.T, d *storetest.Database, workspace, user uuid.UUID) {
	t.Helper()
	flow := addFlow(t, d, workspace, "hello")
	addVaultKey(t, d, workspace, user, "key")
	if _, err := d.Store.CreateEndpointKey(t.Context(), store.NewEndpointKey{
		WorkspaceID: workspace, FlowID: flow, Title: "k", Hash: hash(workspace.String()), Last4: "1234", CreatedBy: user, Actor: "user:x",
	}); err != nil {
		t.Fatalf("CreateEndpointKey: %v", err)
	}
	team := store.NewID()
	admin := d.Admin(t)
	if _, err := admin.Exec(t.Context(), "INSERT INTO teams (id, workspace_id, name) VALUES ($1, $2, 'team')", team, workspace); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "INSERT INTO members (team_id, workspace_id, user_id, role) VALUES ($1, $2, $3, 'editor')", team, workspace, user); err != nil {
		t.Fatal(err)
	}
}

// TestDatabaseSaysNo holds promise T2: as the portal's role, with no tenant or
// another one set, every tenant table is empty, and nothing can be put into it
// or changed in it.
func TestDatabaseSaysNo(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	user, workspace := person(t, d.Store, "one@example.com")
	_, foreign := person(t, d.Store, "two@example.com")
	fill(t, d, workspace.ID, user.ID)

	app := d.App(t)
	count := func(table, tenant string) int {
		t.Helper()
		var n int
		err := pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "SELECT set_config('app.workspace_id', $1, true)", tenant); err != nil {
				return err
			}
			column := "workspace_id"
			if table == "workspaces" {
				column = "id"
			}
			return tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE "+column+" = $1", workspace.ID).Scan(&n)
		})
		if err != nil {
			t.Fatalf("counting %s: %v", table, err)
		}
		return n
	}
	for _, table := range tenantTables(t, d) {
		if n := count(table, workspace.ID.String()); n == 0 {
			t.Errorf("%s: the tenant itself sees no row; the test proves nothing for this table", table)
		}
		if n := count(table, ""); n != 0 {
			t.Errorf("%s: %d rows without a tenant, want 0", table, n)
		}
		if n := count(table, foreign.ID.String()); n != 0 {
			t.Errorf("%s: %d rows as another tenant, want 0", table, n)
		}
		refusesWrites(t, app, table, workspace.ID, foreign.ID)
	}
}

// refusesWrites tries to change and to take over another tenant's rows.
func refusesWrites(t *testing.T, app *pgx.Conn, table string, victim, attacker uuid.UUID) {
	t.Helper()
	column := "workspace_id"
	if table == "workspaces" {
		column = "id"
	}
	for _, sql := range []string{
		"UPDATE " + table + " SET " + column + " = '" + attacker.String() + "' WHERE " + column + " = '" + victim.String() + "'",
		"DELETE FROM " + table + " WHERE " + column + " = '" + victim.String() + "'",
	} {
		err := pgx.BeginFunc(t.Context(), app, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "SELECT set_config('app.workspace_id', $1, true)", attacker.String()); err != nil {
				return err
			}
			tag, err := tx.Exec(t.Context(), sql)
			if err == nil && tag.RowsAffected() != 0 {
				t.Errorf("%s: changed %d rows of another tenant", sql, tag.RowsAffected())
			}
			return errors.Join(err, errRollback)
		})
		var denied *pgconn.PgError
		refused := errors.As(err, &denied) && denied.Code == "42501"
		if !refused && !errors.Is(err, errRollback) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

var errRollback = errors.New("roll back")

// TestEveryTableIsJudged fails when a table is added that has neither row-level
// security nor a reason to have none.
func TestEveryTableIsJudged(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	admin := d.Admin(t)
	for _, table := range tables(t, d) {
		var secured bool
		if err := admin.QueryRow(t.Context(), "SELECT relrowsecurity FROM pg_class WHERE oid = $1::text::regclass", table).Scan(&secured); err != nil {
			t.Fatalf("looking at %s: %v", table, err)
		}
		if reason := withoutTenant[table]; secured == (reason != "") {
			t.Errorf("%s: row-level security %v, reason to have none %q", table, secured, reason)
		}
	}
	for table := range withoutTenant {
		if !slices.Contains(tables(t, d), table) {
			t.Errorf("withoutTenant names %s, which is no table", table)
		}
	}
}

// TestForeignTenantSeesNothing calls every method that takes a workspace with
// another tenant's, by reflection: a method that is added without a row here
// breaks the test.
func TestForeignTenantSeesNothing(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	user, workspace := person(t, d.Store, "one@example.com")
	stranger, foreign := person(t, d.Store, "two@example.com")
	fill(t, d, workspace.ID, user.ID)
	flow := addFlow(t, d, workspace.ID, "second")
	key := addVaultKey(t, d, workspace.ID, user.ID, "other")
	seal := func(store.Binding) (store.Sealed, error) { return store.Sealed{}, nil }
	empty := func(n int, err error) error {
		if err == nil && n == 0 {
			return store.ErrNotFound
		}
		return err
	}
	ctx := t.Context()
	cases := map[string]func() error{
		"CreateEndpointKey": func() error {
			_, err := d.Store.CreateEndpointKey(ctx, store.NewEndpointKey{WorkspaceID: foreign.ID, FlowID: flow, Title: "t", Hash: hash("x"), Last4: "1234", CreatedBy: stranger.ID, Actor: "a"})
			return err
		},
		"ListEndpointKeys": func() error {
			keys, err := d.Store.ListEndpointKeys(ctx, foreign.ID, flow)
			return empty(len(keys), err)
		},
		"RevokeEndpointKey":    func() error { return d.Store.RevokeEndpointKey(ctx, foreign.ID, flow, key.ID, "a") },
		"MemberRole":           func() error { _, err := d.Store.MemberRole(ctx, stranger.ID, workspace.ID); return err },
		"WorkspaceProvisioned": func() error { return d.Store.WorkspaceProvisioned(ctx, store.NewID(), "uid", time.Now()) },
		"ForgetWorkspace":      func() error { return d.Store.ForgetWorkspace(ctx, store.NewID()) },
		"RotateVaultKey": func() error {
			_, err := d.Store.RotateVaultKey(ctx, foreign.ID, key.ID, "abcd", "a", seal)
			return err
		},
		"DeleteVaultKey": func() error { return d.Store.DeleteVaultKey(ctx, foreign.ID, key.ID, "a") },
		"ListVaultKeys": func() error {
			keys, err := d.Store.ListVaultKeys(ctx, foreign.ID, nil, 10)
			return empty(len(keys), err)
		},
		"UseVaultKeys": func() error {
			n := 0
			err := d.Store.UseVaultKeys(ctx, foreign.ID, []string{"key", "other"}, func(rows []store.SealedKey) []audit.Event { n = len(rows); return nil })
			return empty(n, err)
		},
		"DeleteAccount": func() error {
			_, err := d.Store.DeleteAccount(ctx, user.ID, foreign.ID, time.Now())
			return err
		},
	}
	maps.Copy(cases, flowCases(ctx, d.Store, foreign.ID, flow, empty))
	before := snapshot(t, d, workspace.ID)
	for name, call := range cases {
		if err := call(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s for another tenant: %v, want ErrNotFound or nothing", name, err)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, d, workspace.ID)); diff != "" {
		t.Errorf("another tenant's calls changed rows (-before +after):\n%s", diff)
	}
	for _, name := range methods() {
		if _, tested := cases[name]; !tested && !elsewhere[name] {
			t.Errorf("method %s has no row in this matrix", name)
		}
	}
}

// flowCases are the methods of flows.
func flowCases(ctx context.Context, s *store.Store, foreign, flow uuid.UUID, empty func(int, error) error) map[string]func() error {
	draft := store.DraftChange{Body: json.RawMessage(`{"x":1}`), Title: "t", Revision: 1}
	return map[string]func() error{
		"Flow":         func() error { _, err := s.Flow(ctx, foreign, flow); return err },
		"AnyFlow":      func() error { _, err := s.AnyFlow(ctx, foreign, flow); return err },
		"Draft":        func() error { _, err := s.Draft(ctx, foreign, flow); return err },
		"Version":      func() error { _, err := s.Version(ctx, foreign, flow, 1); return err },
		"DeleteFlow":   func() error { return s.DeleteFlow(ctx, foreign, flow, "a") },
		"UndeleteFlow": func() error { return s.UndeleteFlow(ctx, foreign, flow, "a") },
		"UpdateDraft":  func() error { _, err := s.UpdateDraft(ctx, foreign, flow, draft); return err },
		"SaveFlow": func() error {
			_, err := s.SaveFlow(ctx, foreign, flow, store.FlowSave{Spec: json.RawMessage(`{}`), Hash: "h", Draft: draft, AnyRevision: true, Actor: "a"})
			return err
		},
		"PurgeFlow": func() error { _, err := s.PurgeFlow(ctx, foreign, flow, 0); return err },
		"FlowNames": func() error { names, err := s.FlowNames(ctx, foreign); return empty(len(names), err) },
		"Flows": func() error {
			flows, err := s.Flows(ctx, foreign, store.FlowCursor{}, 10)
			return empty(len(flows), err)
		},
		"Versions": func() error { versions, err := s.Versions(ctx, foreign, flow, 0, 10); return empty(len(versions), err) },
		"KeyUses":  func() error { uses, err := s.KeyUses(ctx, foreign); return empty(len(uses), err) },
		"TakeFlow": func() error {
			taken, err := s.TakeFlow(ctx, foreign, flow, time.Minute)
			if taken {
				return errors.New("taken")
			}
			return empty(0, err)
		},
		"FlowApplied":    func() error { return empty(0, s.FlowApplied(ctx, foreign, flow, 9)) },
		"FlowNotApplied": func() error { return empty(0, s.FlowNotApplied(ctx, foreign, flow, "r", "m", time.Hour)) },
		"WorkspaceName":  func() error { _, err := s.WorkspaceName(ctx, store.NewID()); return err },
		"ListClusterEndpointKeys": func() error {
			keys, err := s.ListClusterEndpointKeys(ctx, foreign, "hello")
			return empty(len(keys), err)
		},
		"RevokeClusterEndpointKey": func() error { return s.RevokeClusterEndpointKey(ctx, foreign, "hello", flow, "a") },
	}
}

// snapshot returns everything that the database holds of a workspace.
func snapshot(t *testing.T, d *storetest.Database, workspace uuid.UUID) map[string]string {
	t.Helper()
	admin := d.Admin(t)
	content := map[string]string{}
	for _, table := range append(tenantTables(t, d), "flow_sync") {
		column := "workspace_id"
		if table == "workspaces" {
			column = "id"
		}
		var text string
		query := "SELECT coalesce(string_agg(x::text, E'\\n' ORDER BY x::text), '') FROM " + table + " x WHERE " + column + " = $1"
		if err := admin.QueryRow(t.Context(), query, workspace).Scan(&text); err != nil {
			t.Fatalf("reading %s: %v", table, err)
		}
		content[table] = text
	}
	return content
}

// elsewhere are the methods of which no tenant can be wrong: they come before a
// tenant is known, act for the holder of a secret, or only add.
var elsewhere = map[string]bool{
	"Close": true, "Ping": true, "InWorkspace": true, "CheckRole": true, "Tidy": true,
	"CreateAccount": true, "FindUser": true, "FindUserByEmail": true, "LoginFailed": true, "LoginFailures": true,
	"Login": true, "FindSession": true, "EndSession": true, "RotateRefresh": true,
	"FindWorkspace": true, "WorkspacesToReconcile": true, "FindEndpointKey": true, "TouchEndpointKey": true,
	"CreateFlow": true, "CreateClusterEndpointKey": true, "DueFlows": true,
	"CreateVaultKey": true, "VaultIndex": true, "KEKProbes": true, "AddKEKProbe": true, "Audit": true,
}

func methods() []string {
	kind := reflect.TypeFor[*store.Store]()
	var names []string
	for method := range kind.Methods() {
		names = append(names, method.Name)
	}
	return names
}

// TestAuditCannotBeChanged shows that the portal's role can only add to it.
func TestAuditCannotBeChanged(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	_, workspace := person(t, d.Store, "one@example.com")
	for _, sql := range []string{"UPDATE audit SET outcome = 'ok'", "DELETE FROM audit", "TRUNCATE audit"} {
		err := d.Store.InWorkspace(t.Context(), workspace.ID, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		var denied *pgconn.PgError
		if !errors.As(err, &denied) || denied.Code != "42501" {
			t.Errorf("%s: %v, want permission denied", sql, err)
		}
	}
	for _, sql := range []string{"UPDATE flow_versions SET hash = 'x'", "UPDATE vault_key_versions SET version = 9"} {
		err := d.Store.InWorkspace(t.Context(), workspace.ID, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v, want permission denied", sql, err)
		}
	}
}

// TestRoles shows that a role for which row-level security does not hold is
// refused, and the one that init makes is not.
func TestRoles(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	if err := d.Store.CheckRole(t.Context()); err != nil {
		t.Errorf("the portal's role: %v", err)
	}
	mighty, err := store.Open(t.Context(), store.Config{URL: d.AdminURL})
	if err != nil {
		t.Fatal(err)
	}
	defer mighty.Close()
	if err := mighty.CheckRole(t.Context()); err == nil {
		t.Error("a superuser was accepted")
	}
	if err := store.EnsureRole(t.Context(), d.Admin(t), d.AdminURL); err == nil {
		t.Error("the owner was made the portal's role")
	}
}

// TestMigrationsTwiceAtOnce shows that replicas that start together are no
// problem, and that a second time changes nothing.
func TestMigrationsTwiceAtOnce(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	admin := d.Admin(t)
	fresh := "weft_fresh_" + strings.ReplaceAll(store.NewID().String(), "-", "")
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+fresh); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := admin.Exec(context.Background(), "DROP DATABASE "+fresh+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	}()
	config, err := pgx.ParseConfig(d.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = fresh
	results := make(chan error, 3)
	for range 3 {
		go func() {
			db := stdlib.OpenDB(*config)
			results <- errors.Join(migrations.Up(context.Background(), db), db.Close())
		}()
	}
	for range 3 {
		if err := <-results; err != nil {
			t.Errorf("migrating: %v", err)
		}
	}
	db := stdlib.OpenDB(*config)
	have, want, err := migrations.Current(t.Context(), db)
	if err != nil || have != want || want == 0 {
		t.Errorf("schema version %d of %d, %v", have, want, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnavailable shows that a database that is away, or too slow, is told
// apart from everything else, and soon (promise S4).
func TestUnavailable(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	slow, err := store.Open(t.Context(), store.Config{URL: d.AppURL, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	away, err := store.Open(t.Context(), store.Config{URL: "postgres://u:p@127.0.0.1:1/x", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer away.Close()
	for name, call := range map[string]func() error{
		"slow": func() error {
			return slow.InWorkspace(t.Context(), store.NewID(), func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT pg_sleep(30)")
				return err
			})
		},
		"away": func() error { return away.Ping(t.Context()) },
	} {
		start := time.Now()
		err := call()
		if took := time.Since(start); !errors.Is(err, store.ErrUnavailable) || took > 2*time.Second {
			t.Errorf("a database that is %s: %v after %v, want ErrUnavailable within 2s", name, err, took)
		}
	}
	if strings.Contains(fmt.Sprint(away.Ping(t.Context())), ":p@") {
		t.Error("the error holds the password")
	}
}
