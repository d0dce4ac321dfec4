package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/store/storetest"
)

// person makes an account and returns it with its workspace.
func person(t *testing.T, s *store.Store, email string) (store.User, store.Workspace) {
	t.Helper()
	workspace := store.Workspace{ID: store.NewID(), Name: "w-" + store.NewID().String()[24:], Title: "Title"}
	user, err := s.CreateAccount(t.Context(), store.NewAccount{
		User:      store.User{ID: store.NewID(), Email: email, Name: "Name", Birth: time.Date(1990, 12, 17, 0, 0, 0, 0, time.UTC), PasswordHash: "hash"},
		Workspace: workspace,
		Session:   store.NewSession{ID: store.NewID(), TokenHash: hash(email + "t"), RefreshHash: hash(email + "r"), ExpiresAt: time.Now().Add(time.Hour)},
	})
	if err != nil {
		t.Fatalf("CreateAccount(%s): %v", email, err)
	}
	return user, workspace
}

func TestFirstAccountIsAdministrator(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	first, _ := person(t, s, "first@example.com")
	second, _ := person(t, s, "second@example.com")
	if !first.Administrator || second.Administrator {
		t.Errorf("administrators: first %v, second %v; want true, false", first.Administrator, second.Administrator)
	}
}

func TestFirstAccountIsOneAlone(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	const people = 4
	results := make(chan bool, people)
	for i := range people {
		go func() {
			user, err := s.CreateAccount(context.Background(), store.NewAccount{
				User:      store.User{ID: store.NewID(), Email: string(rune('a'+i)) + "@example.com", Name: "N", PasswordHash: "h"},
				Workspace: store.Workspace{ID: store.NewID(), Name: "w-" + string(rune('a'+i))},
				Session:   store.NewSession{ID: store.NewID(), TokenHash: hash("t"), RefreshHash: hash(string(rune(i))), ExpiresAt: time.Now().Add(time.Hour)},
			})
			if err != nil {
				t.Errorf("CreateAccount: %v", err)
			}
			results <- user.Administrator
		}()
	}
	administrators := 0
	for range people {
		if <-results {
			administrators++
		}
	}
	if administrators != 1 {
		t.Errorf("%d administrators of %d sign-ups at once, want 1", administrators, people)
	}
}

func TestEmailIsTakenOnce(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	person(t, s, "one@example.com")
	_, err := s.CreateAccount(t.Context(), store.NewAccount{
		User:      store.User{ID: store.NewID(), Email: "one@example.com", Name: "N", PasswordHash: "h"},
		Workspace: store.Workspace{ID: store.NewID(), Name: "other"},
		Session:   store.NewSession{ID: store.NewID(), TokenHash: hash("x"), RefreshHash: hash("y"), ExpiresAt: time.Now().Add(time.Hour)},
	})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("second account with the address: %v, want ErrConflict", err)
	}
	if _, err := s.FindWorkspace(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a refused sign-up left its workspace behind: %v", err)
	}
}

func TestNoWorkspaceIsAnError(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	err := s.InWorkspace(t.Context(), uuid.Nil, func(context.Context, pgx.Tx) error { return nil })
	if !errors.Is(err, store.ErrNoWorkspace) {
		t.Errorf("InWorkspace without a workspace: %v, want ErrNoWorkspace (promise T5)", err)
	}
}

func TestRefreshTokenReuseEndsTheSession(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	user, _ := person(t, s, "one@example.com")
	session := store.NewSession{ID: store.NewID(), TokenHash: hash("t"), RefreshHash: hash("r1"), ExpiresAt: time.Now().Add(time.Hour)}
	if _, err := s.Login(t.Context(), user.ID, session, nil, hash("name"), time.Now()); err != nil {
		t.Fatalf("Login: %v", err)
	}
	if _, err := s.RotateRefresh(t.Context(), hash("r1"), hash("r2"), time.Now()); err != nil {
		t.Fatalf("first use: %v", err)
	}
	if _, err := s.FindSession(t.Context(), session.ID, time.Now()); err != nil {
		t.Fatalf("the session must live after one refresh: %v", err)
	}
	ended, err := s.RotateRefresh(t.Context(), hash("r1"), hash("r3"), time.Now())
	if !errors.Is(err, store.ErrReused) || ended.ID != session.ID {
		t.Fatalf("second use: %v of %v, want ErrReused of %v", err, ended.ID, session.ID)
	}
	if _, err := s.FindSession(t.Context(), session.ID, time.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session after a reuse: %v, want ErrNotFound", err)
	}
	if _, err := s.RotateRefresh(t.Context(), hash("r2"), hash("r4"), time.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the newest token after a reuse: %v, want ErrNotFound", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	user, _ := person(t, d.Store, "one@example.com")
	open := func(expires time.Duration) store.NewSession {
		n := store.NewSession{ID: store.NewID(), TokenHash: hash("t"), RefreshHash: hash(store.NewID().String()), ExpiresAt: time.Now().Add(expires)}
		if _, err := d.Store.Login(t.Context(), user.ID, n, nil, hash("name"), time.Now().Add(-2*time.Hour)); err != nil {
			t.Fatalf("Login: %v", err)
		}
		return n
	}
	gone := func(reason string, id uuid.UUID) {
		t.Helper()
		if _, err := d.Store.FindSession(t.Context(), id, time.Now()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", reason, err)
		}
	}
	gone("an expired session", open(-time.Minute).ID)
	ended := open(time.Hour)
	if err := d.Store.EndSession(t.Context(), user.ID, ended.ID); err != nil {
		t.Fatalf("EndSession: %v", err)
	}
	gone("an ended session", ended.ID)
	disabled := open(time.Hour)
	if _, err := d.Admin(t).Exec(t.Context(), "UPDATE users SET disabled_at = now() WHERE id = $1", user.ID); err != nil {
		t.Fatalf("disabling: %v", err)
	}
	gone("the session of a disabled user", disabled.ID)
}

func TestLoginFailuresAreForgotten(t *testing.T) {
	t.Parallel()
	s := storetest.New(t).Store
	now := time.Now()
	for i := range 3 {
		if err := s.LoginFailed(t.Context(), hash("name"), now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("LoginFailed: %v", err)
		}
	}
	if n, _, err := s.LoginFailures(t.Context(), hash("name")); n != 3 || err != nil {
		t.Errorf("failures: %d, %v; want 3", n, err)
	}
	if err := s.LoginFailed(t.Context(), hash("name"), now.Add(2*time.Hour)); err != nil {
		t.Fatalf("LoginFailed: %v", err)
	}
	if n, _, err := s.LoginFailures(t.Context(), hash("name")); n != 1 || err != nil {
		t.Errorf("failures two hours later: %d, %v; want 1", n, err)
	}
	if n, _, err := s.LoginFailures(t.Context(), hash("other")); n != 0 || err != nil {
		t.Errorf("failures of another name: %d, %v; want 0", n, err)
	}
}

func TestDeleteAccountLeavesNothing(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	user, workspace := person(t, d.Store, "one@example.com")
	other, _ := person(t, d.Store, "two@example.com")
	fill(t, d, workspace.ID, user.ID)
	ended, err := d.Store.DeleteAccount(t.Context(), user.ID, workspace.ID, time.Now())
	if err != nil || len(ended) != 1 {
		t.Fatalf("DeleteAccount: %v, %v; want one session", ended, err)
	}
	admin := d.Admin(t)
	for _, table := range tenantTables(t, d) {
		if table == "audit" || table == "workspaces" {
			continue
		}
		var n int
		if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE workspace_id = $1", workspace.ID).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s holds %d rows of the deleted account (%v), want 0", table, n, err)
		}
	}
	if _, err := d.Store.FindUser(t.Context(), user.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user is still there: %v", err)
	}
	if _, err := d.Store.FindUser(t.Context(), other.ID); err != nil {
		t.Errorf("another account went too: %v", err)
	}
	work, err := d.Store.WorkspacesToReconcile(t.Context(), false)
	if err != nil || len(work) != 2 {
		t.Fatalf("WorkspacesToReconcile: %v, %v; want both", work, err)
	}
	if err := d.Store.ForgetWorkspace(t.Context(), workspace.ID); err != nil {
		t.Errorf("ForgetWorkspace: %v", err)
	}
	if err := d.Store.ForgetWorkspace(t.Context(), work[1].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ForgetWorkspace of a living one: %v, want ErrNotFound", err)
	}
}

func TestEndpointKeys(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	user, workspace := person(t, d.Store, "one@example.com")
	_, foreign := person(t, d.Store, "two@example.com")
	flow := addFlow(t, d, workspace.ID, "hello")
	id, err := d.Store.CreateEndpointKey(t.Context(), store.NewEndpointKey{
		WorkspaceID: workspace.ID, FlowID: flow, Title: "site", Hash: hash("wk_1"), Last4: "1234", CreatedBy: user.ID, Actor: "user:x",
	})
	if err != nil {
		t.Fatalf("CreateEndpointKey: %v", err)
	}
	found, err := d.Store.FindEndpointKey(t.Context(), hash("wk_1"))
	if err != nil || found.ID != id || found.WorkspaceName != workspace.Name || found.FlowName != "hello" {
		t.Errorf("FindEndpointKey: %+v, %v", found, err)
	}
	if _, err := d.Store.FindEndpointKey(t.Context(), hash("wk_2")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown key: %v, want ErrNotFound", err)
	}
	if _, err := d.Store.CreateEndpointKey(t.Context(), store.NewEndpointKey{
		WorkspaceID: foreign.ID, FlowID: flow, Title: "theft", Hash: hash("wk_3"), Last4: "1234", CreatedBy: user.ID, Actor: "user:x",
	}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key for another tenant's flow: %v, want ErrNotFound", err)
	}
	if err := d.Store.RevokeEndpointKey(t.Context(), foreign.ID, flow, id, "user:y"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoking another tenant's key: %v, want ErrNotFound", err)
	}
	if err := d.Store.TouchEndpointKey(t.Context(), workspace.ID, id, time.Now()); err != nil {
		t.Errorf("TouchEndpointKey: %v", err)
	}
	listed, err := d.Store.ListEndpointKeys(t.Context(), workspace.ID, flow)
	if err != nil || len(listed) != 1 || listed[0].LastUsedAt == nil {
		t.Errorf("ListEndpointKeys: %+v, %v", listed, err)
	}
	if err := d.Store.RevokeEndpointKey(t.Context(), workspace.ID, flow, id, "user:x"); err != nil {
		t.Fatalf("RevokeEndpointKey: %v", err)
	}
	if _, err := d.Store.FindEndpointKey(t.Context(), hash("wk_1")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a revoked key: %v, want ErrNotFound", err)
	}
}

func TestMemberRole(t *testing.T) {
	t.Parallel()
	d := storetest.New(t)
	owner, workspace := person(t, d.Store, "one@example.com")
	stranger, _ := person(t, d.Store, "two@example.com")
	if role, err := d.Store.MemberRole(t.Context(), owner.ID, workspace.ID); role != "owner" || err != nil {
		t.Errorf("the owner's role: %q, %v", role, err)
	}
	if role, err := d.Store.MemberRole(t.Context(), stranger.ID, workspace.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a stranger's role: %q, %v; want ErrNotFound", role, err)
	}
	admin := d.Admin(t)
	team := store.NewID()
	if _, err := admin.Exec(t.Context(), "INSERT INTO teams (id, workspace_id, name) VALUES ($1, $2, 'team')", team, workspace.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(t.Context(), "INSERT INTO members (team_id, workspace_id, user_id, role) VALUES ($1, $2, $3, 'reader')", team, workspace.ID, stranger.ID); err != nil {
		t.Fatal(err)
	}
	if role, err := d.Store.MemberRole(t.Context(), stranger.ID, workspace.ID); role != "reader" || err != nil {
		t.Errorf("a member's role: %q, %v; want reader", role, err)
	}
}
