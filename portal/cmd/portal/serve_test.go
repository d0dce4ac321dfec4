package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/store/storetest"
)

// kubeconfig leads to a cluster that is away.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: c
`

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestFromNothing runs the program like a first start: init on an empty
// database, twice at once, then serve without a cluster, then stop.
func TestFromNothing(t *testing.T) {
	d := storetest.New(t) // skips where there is no database
	portaltest.Redis(t)
	config := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(config, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", config)
	adminURL, appURL := emptyDatabase(t, d)
	c := Config{
		DatabaseURL: appURL, DatabaseAdminURL: adminURL, RedisURL: os.Getenv("WEFT_TEST_REDIS_URL"),
		PublicURL: "http://localhost:30080", GatewayURL: "http://localhost:30081",
		KeysDir: filepath.Join(t.TempDir(), "keys"), Listen: free(t), MetricsListen: free(t),
	}.WithDefaults()
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&syncWriter{w: &logged}, nil))

	var replicas sync.WaitGroup
	for range 2 {
		replicas.Go(func() {
			if err := initialise(t.Context(), c, log); err != nil {
				t.Errorf("init: %v", err)
			}
		})
	}
	replicas.Wait()
	before := readKeys(t, c)
	if err := initialise(t.Context(), c, log); err != nil {
		t.Fatalf("init once more: %v", err)
	}
	if readKeys(t, c) != before {
		t.Error("a second init made other keys")
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, log) }()
	agent := portaltest.NewAgent(t, "http://"+c.MetricsListen)
	portaltest.Eventually(t, "the portal is ready", func() bool {
		response, err := http.Get(agent.Base + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	base := "http://" + c.Listen
	person, _ := portaltest.SignUp(t, base, "one@example.com")
	if account := person.Get(t, "/account"); account.Status != 200 {
		t.Errorf("account: %d %s", account.Status, account.Body)
	}
	if metrics := agent.Get(t, "/metrics"); !strings.Contains(metrics.Body, `weft_portal_request_duration_seconds_count{method="POST",route="/signup",status="200"} 1`) || strings.Contains(metrics.Body, "one@example.com") {
		t.Errorf("metrics: %.300s", metrics.Body)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("serve did not end")
	}
}

// emptyDatabase makes a database without a schema, whose owner is no superuser
// and may make roles, and names a role for the portal that does not exist yet.
func emptyDatabase(t *testing.T, d *storetest.Database) (adminURL, appURL string) {
	t.Helper()
	admin := d.Admin(t)
	name := "weft_from_nothing_" + strings.ReplaceAll(store.NewID().String(), "-", "")
	run := func(ctx context.Context, sql string) {
		if _, err := admin.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run(t.Context(), "CREATE ROLE "+name+" LOGIN CREATEROLE PASSWORD 'owner'")
	run(t.Context(), "CREATE DATABASE "+name+" OWNER "+name)
	t.Cleanup(func() {
		run(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
		run(context.Background(), "DROP ROLE IF EXISTS "+name+"_app")
		run(context.Background(), "DROP ROLE "+name)
	})
	config, err := pgx.ParseConfig(d.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	address := func(user, password string) string {
		return "postgres://" + user + ":" + password + "@" + net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))) + "/" + name + "?sslmode=disable"
	}
	return address(name, "owner"), address(name+"_app", "app%20secret")
}

func readKeys(t *testing.T, c Config) string {
	t.Helper()
	var all strings.Builder
	for _, file := range []string{keys.IdentityFile, keys.RequestFile, keys.VaultFile, keys.TrustFile} {
		data, err := keys.Dir(c.KeysDir).Get(t.Context(), file)
		if err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		all.Write(data)
	}
	return all.String()
}

// syncWriter lets several write to one buffer.
type syncWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

// Write writes.
func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// TestMightyRoleIsRefused shows that a portal with the owner's role does not
// start: row-level security would not hold.
func TestMightyRoleIsRefused(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	s, err := store.Open(t.Context(), store.Config{URL: d.AdminURL})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := &instance{store: s, ready: &readiness{}, log: slog.New(slog.DiscardHandler)}
	if err := in.serveFront(t.Context()); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("serving as superuser: %v", err)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	r := &readiness{}
	if r.err() == nil {
		t.Error("ready before the start")
	}
	r.wait("the database does not answer")
	if err := r.err(); err == nil || !strings.Contains(err.Error(), "database") {
		t.Errorf("while waiting: %v", err)
	}
	r.start(nil)
	if err := r.err(); err != nil {
		t.Errorf("after the start: %v", err)
	}
	r.start(func() error { return errStarting })
	if err := r.err(); !errors.Is(err, errStarting) {
		t.Errorf("with a check of its own: %v", err)
	}
	r.drain()
	if err := r.err(); !errors.Is(err, errDraining) {
		t.Errorf("while draining: %v", err)
	}
}
