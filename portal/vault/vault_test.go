package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const canary = "sk-canary-0123456789abcdef"

// reviewer stands for the cluster's TokenReview: tokens are user names.
type reviewer struct{ away bool }

// Review takes a token of the form audience|user.
func (r *reviewer) Review(_ context.Context, token, audience string) (string, bool, error) {
	if r.away {
		return "", false, errors.New("the cluster is away")
	}
	of, user, ok := strings.Cut(token, "|")
	return user, ok && of == audience, nil
}

// bench is a portal with a vault.
type bench struct {
	*portaltest.Portal
	vault    *vault.Vault
	reviewer *reviewer
	signer   *requesttoken.Signer
	woken    *counter
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func newBench(t *testing.T, options ...func(*portaltest.Portal)) *bench {
	t.Helper()
	b := &bench{Portal: portaltest.New(t, options...), reviewer: &reviewer{}, woken: &counter{}}
	made, err := keys.NewVault()
	if err != nil {
		t.Fatal(err)
	}
	kek, err := keys.ParseVault(made)
	if err != nil {
		t.Fatal(err)
	}
	if b.vault, err = vault.New(t.Context(), b.Deps.Store, kek, b.woken.add); err != nil {
		t.Fatal(err)
	}
	trust, err := b.Requests.Trust()
	if err != nil {
		t.Fatal(err)
	}
	if b.signer, err = b.Requests.Signer(); err != nil {
		t.Fatal(err)
	}
	routes := vault.Routes(vault.Deps{
		Deps: b.Deps, Vault: b.vault, Reviewer: b.reviewer, RequestTokens: requesttoken.NewVerifier(trust), Cluster: b.Deps.Cache,
	})
	b.Serve(t, append(append(routes, b.IdentityRoutes(t)...), b.TokenRoute()))
	return b
}

func (b *bench) audit(t *testing.T, workspace string) []string {
	t.Helper()
	rows, err := b.Database.Admin(t).Query(t.Context(), `SELECT actor || ' ' || action || ' ' || object || ' ' || outcome || ' ' || detail
		FROM audit WHERE workspace_id = $1 AND action LIKE 'vault.%' ORDER BY id`, workspace)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestOwnersBodies sends the bodies of the owner's document to the letter.
func TestOwnersBodies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, who := b.SignUp(t, "one@example.com")
	stored := agent.Do(t, "POST", "/apikey/store", "application/json", `{
  "name": "Chat gpt apikey",
  "key": "sk-aiusdniausdniuahsdiuasd132..."
}`)
	if stored.Status != 200 || stored.Text(t, "success") != "true" || stored.Text(t, "message") != "Api key stored successfully" {
		t.Fatalf("store: %d %s", stored.Status, stored.Body)
	}
	id := stored.Text(t, "id")
	list := agent.Get(t, "/apikeys")
	listed := list.JSON(t)["apikeys"].([]any)
	first := listed[0].(map[string]any)
	if len(listed) != 1 || first["id"] != id || first["name"] != "Chat gpt apikey" || first["reference"] != "chat-gpt-apikey" || first["provider"] != "openai" || first["last4"] != "2..." {
		t.Errorf("list: %s", list.Body)
	}
	removed := agent.Do(t, "POST", "/apikey/delete/"+id, "", "")
	if removed.Status != 200 || removed.Text(t, "success") != "true" || removed.Text(t, "message") != "Api key deleted successfully" {
		t.Errorf("delete: %d %s", removed.Status, removed.Body)
	}
	if again := agent.Do(t, "DELETE", "/apikey/delete/"+id, "", ""); again.Status != 404 {
		t.Errorf("deleting once more: %d", again.Status)
	}
	user := "user:" + who.Text(t, "user", "id")
	want := []string{
		user + " vault.store vaultkey:" + id + " ok version:1",
		user + " vault.delete vaultkey:" + id + " ok version:1",
	}
	if diff := cmp.Diff(want, b.audit(t, who.Text(t, "user", "workspace", "id"))); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if b.woken.n != 2 {
		t.Errorf("the index was told %d times, want 2", b.woken.n)
	}
}

// TestKeysAreNeverShown holds promises V1 and V6 over everything that can be
// read afterwards.
func TestKeysAreNeverShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, _ := b.SignUp(t, "one@example.com")
	stored := agent.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": canary})
	rotated := agent.JSON(t, "/apikey/"+stored.Text(t, "id")+"/rotate", map[string]string{"key": canary + "-2"})
	bad := agent.JSON(t, "/apikey/store", map[string]string{"name": "", "key": canary})
	unknown := agent.JSON(t, "/apikey/store", map[string]string{"name": "x", canary: "x"})
	list := agent.Get(t, "/apikeys")
	for what, text := range map[string]string{
		"store": stored.Body, "rotate": rotated.Body, "a refused store": bad.Body, "list": list.Body, "log": b.Log.String(),
	} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s shows the key: %s", what, text)
		}
	}
	if rotated.Status != 200 || bad.Status != 400 || unknown.Status != 400 {
		t.Errorf("rotate %d, refused %d, unknown %d", rotated.Status, bad.Status, unknown.Status)
	}
	var dump string
	err := b.Database.Admin(t).QueryRow(t.Context(), `SELECT string_agg(v::text, '') || (SELECT string_agg(k::text, '') FROM vault_keys k) || (SELECT string_agg(a::text, '') FROM audit a) FROM vault_key_versions v`).Scan(&dump)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(dump, "canary") || strings.Contains(dump, fmt.Sprintf("%x", "canary")) {
		t.Error("the database holds the key as it is")
	}
	var versions int
	if err := b.Database.Admin(t).QueryRow(t.Context(), `SELECT count(*) FROM vault_key_versions`).Scan(&versions); err != nil || versions != 1 {
		t.Errorf("%d versions are kept after a rotation (%v), want 1", versions, err)
	}
}

func TestNamesAndPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, _ := b.SignUp(t, "one@example.com")
	for range 3 {
		agent.JSON(t, "/apikey/store", map[string]string{"name": "Same name", "key": canary})
	}
	var references []string
	after := ""
	for range 3 {
		page := agent.Get(t, "/apikeys?limit=1&after="+after)
		if page.Status != 200 {
			t.Fatalf("page: %d %s", page.Status, page.Body)
		}
		references = append(references, page.JSON(t)["apikeys"].([]any)[0].(map[string]any)["reference"].(string))
		after = page.Text(t, "next")
	}
	if diff := cmp.Diff([]string{"same-name-3", "same-name-2", "same-name"}, references); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if last := agent.Get(t, "/apikeys?after="+after); len(last.JSON(t)["apikeys"].([]any)) != 0 || last.Text(t, "next") != "" {
		t.Errorf("the page after the last: %s", last.Body)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "after=x", "after={" + uuid.NewString() + "}"} {
		if bad := agent.Get(t, "/apikeys?"+query); bad.Status != 400 {
			t.Errorf("?%s: %d, want 400", query, bad.Status)
		}
	}
}

// flow makes a flow in a namespace that refers to a key.
func flow(workspace, name, key string) *v1alpha1.Flow {
	f := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.WorkspaceNamespacePrefix + workspace, Name: name}}
	f.Spec.Components = []v1alpha1.Component{{ID: "chat", Type: "openai-chat", Credential: &v1alpha1.Credential{VaultKeyRef: &v1alpha1.VaultKeyRef{Name: key}}}}
	return f
}

func (b *bench) fetch(t *testing.T, token string, options ...func(*http.Request)) portaltest.Answer {
	t.Helper()
	agent := portaltest.NewAgent(t, b.URL)
	agent.Bearer = token
	return agent.JSON(t, vault.FetchPath, map[string]any{"names": []string{"key"}}, options...)
}

// TestFetch is the whole way of a key to a runtime, and of every caller who
// should not get it. Use, ok and denied, is on record (promise V5).
func TestFetch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, who := b.SignUp(t, "one@example.com")
	other, stranger := b.SignUp(t, "two@example.com")
	workspace, foreign := who.Text(t, "user", "workspace", "name"), stranger.Text(t, "user", "workspace", "name")
	stored := agent.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": canary})
	other.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": "sk-other-0123456789"})
	for _, o := range []client.Object{
		flow(workspace, "uses", "key"), flow(workspace, "uses-not", "another"), flow(workspace, "absent-key", "nowhere"),
		&v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: workspace, UID: types.UID("uid-1")}},
	} {
		if err := b.Deps.Kube.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	account := func(workspace, name string) string {
		return vault.Audience + "|system:serviceaccount:weft-ws-" + workspace + ":" + name
	}
	run := func(change func(*requesttoken.Claims)) func(*http.Request) {
		c := requesttoken.Claims{Subject: "user:1", Audience: "uid-1", Method: "POST", Path: "/test/run", Workspace: workspace, Target: "weft-test-runtime", Keys: []string{"key"}, IssuedAt: b.Clock.Now()}
		change(&c)
		token, err := b.signer.Mint(c)
		if err != nil {
			t.Fatal(err)
		}
		return portaltest.With(requesttoken.Header, token)
	}
	nothing := func(*http.Request) {}
	cases := map[string]struct {
		reason, token string
		option        func(*http.Request)
		status        int
	}{
		"Flow":              {"A flow that refers to the key.", account(workspace, "flow-uses"), nothing, 200},
		"OtherFlow":         {"A flow that refers to another.", account(workspace, "flow-uses-not"), nothing, 403},
		"NoFlow":            {"A flow that is not there.", account(workspace, "flow-gone"), nothing, 403},
		"ForeignFlow":       {"A flow of that name in another workspace.", account(foreign, "flow-uses"), nothing, 403},
		"NoWorkspace":       {"A workspace that the portal does not know.", account("nobody", "flow-uses"), nothing, 404},
		"OtherAccount":      {"An account that is no runtime's.", account(workspace, "default"), nothing, 403},
		"OtherNamespace":    {"A namespace that is no workspace's.", vault.Audience + "|system:serviceaccount:kube-system:flow-uses", nothing, 403},
		"NoAccount":         {"A person.", vault.Audience + "|admin", nothing, 403},
		"LongAccount":       {"A name with more parts.", account(workspace, "flow-uses:x"), nothing, 403},
		"OtherAudience":     {"A token for the API server.", "https://kubernetes|system:serviceaccount:weft-ws-" + workspace + ":flow-uses", nothing, 401},
		"NoToken":           {"Nobody.", "", nothing, 401},
		"UserToken":         {"A user of the portal.", agent.Bearer, nothing, 401},
		"Test":              {"A test run that may use it.", account(workspace, "weft-test-runtime"), run(func(*requesttoken.Claims) {}), 200},
		"TestNoToken":       {"A test runtime without a run.", account(workspace, "weft-test-runtime"), nothing, 403},
		"TestOtherKey":      {"A run that may use another.", account(workspace, "weft-test-runtime"), run(func(c *requesttoken.Claims) { c.Keys = []string{"another"} }), 403},
		"TestNoKeys":        {"A run that may use none.", account(workspace, "weft-test-runtime"), run(func(c *requesttoken.Claims) { c.Keys = nil }), 403},
		"TestForeign":       {"A run of another workspace.", account(workspace, "weft-test-runtime"), run(func(c *requesttoken.Claims) { c.Workspace = foreign }), 403},
		"TestOtherAudience": {"A run elsewhere.", account(workspace, "weft-test-runtime"), run(func(c *requesttoken.Claims) { c.Audience = "uid-2" }), 403},
		"TestOld":           {"A run that is over.", account(workspace, "weft-test-runtime"), run(func(c *requesttoken.Claims) { c.IssuedAt = b.Clock.Now().Add(-2 * time.Minute) }), 403},
		"TestNonsense":      {"Something that is no token.", account(workspace, "weft-test-runtime"), portaltest.With(requesttoken.Header, "x.y.z"), 403},
		"FlowWithRun":       {"A flow's account with a run's token gets what the flow may.", account(workspace, "flow-uses-not"), run(func(*requesttoken.Claims) {}), 403},
	}
	for name, tc := range cases {
		before := len(b.audit(t, who.Text(t, "user", "workspace", "id")))
		answer := b.fetch(t, tc.token, tc.option)
		if answer.Status != tc.status {
			t.Errorf("%s: %d %s, want %d. %s", name, answer.Status, answer.Body, tc.status, tc.reason)
		}
		if shown := strings.Contains(answer.Body, canary); shown != (tc.status == 200) {
			t.Errorf("%s: the key is in the answer: %v. %s", name, shown, tc.reason)
		}
		lines := b.audit(t, who.Text(t, "user", "workspace", "id"))[before:]
		if tc.status == 200 && (len(lines) != 1 || !strings.Contains(lines[0], "vaultkey:"+stored.Text(t, "id")+":1 ok")) {
			t.Errorf("%s: audit %v", name, lines)
		}
		if tc.status == 403 && strings.Contains(tc.token, workspace) && strings.Contains(tc.token, "flow-uses-not") && (len(lines) != 1 || !strings.Contains(lines[0], "denied")) {
			t.Errorf("%s: audit %v", name, lines)
		}
	}
	answer := b.fetch(t, account(workspace, "flow-uses"))
	if diff := cmp.Diff(map[string]any{"success": "true", "keys": map[string]any{"key": map[string]any{"version": 1.0, "value": canary}}}, answer.JSON(t)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if missing := b.fetch(t, account(workspace, "flow-uses-not")); !strings.Contains(missing.Text(t, "message"), "key") {
		t.Errorf("the refusal does not name what is missing: %s", missing.Body)
	}
	b.reviewer.away = true
	if away := b.fetch(t, account(workspace, "flow-uses")); away.Status != 503 || !strings.Contains(away.Body, "cluster") {
		t.Errorf("without the cluster: %d %s, want 503", away.Status, away.Body)
	}
}

// TestNoRecordNoUse holds promise V5: what cannot be recorded does not happen.
func TestNoRecordNoUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, who := b.SignUp(t, "one@example.com")
	agent.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": canary})
	workspace := who.Text(t, "user", "workspace", "name")
	if err := b.Deps.Kube.Create(t.Context(), flow(workspace, "uses", "key")); err != nil {
		t.Fatal(err)
	}
	token := vault.Audience + "|system:serviceaccount:weft-ws-" + workspace + ":flow-uses"
	admin := b.Database.Admin(t)
	for name, sink := range map[string][2]string{
		"full": {`ALTER TABLE audit ADD CONSTRAINT full_up CHECK (action = 'x') NOT VALID`, `ALTER TABLE audit DROP CONSTRAINT full_up`},
		"down": {`REVOKE INSERT ON audit FROM weft_app`, `GRANT INSERT ON audit TO weft_app`},
		"gone": {`ALTER TABLE audit RENAME TO away`, `ALTER TABLE away RENAME TO audit`},
	} {
		if _, err := admin.Exec(t.Context(), sink[0]); err != nil {
			t.Fatal(err)
		}
		answer := b.fetch(t, token)
		stored := agent.JSON(t, "/apikey/store", map[string]string{"name": "Another", "key": canary})
		if answer.Status < 500 || strings.Contains(answer.Body, canary) {
			t.Errorf("audit %s: fetch %d %s", name, answer.Status, answer.Body)
		}
		if stored.Status < 500 {
			t.Errorf("audit %s: store %d %s", name, stored.Status, stored.Body)
		}
		if _, err := admin.Exec(t.Context(), sink[1]); err != nil {
			t.Fatal(err)
		}
	}
	if list := agent.Get(t, "/apikeys"); strings.Contains(list.Body, "Another") {
		t.Error("a key was stored without a record")
	}
	if answer := b.fetch(t, token); answer.Status != 200 {
		t.Errorf("with the audit back: %d %s", answer.Status, answer.Body)
	}
}

// TestSwappedRows holds promise V2 in the database itself: an attacker who can
// write rows moves a key to another tenant, or another key of the same.
func TestSwappedRows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	agent, who := b.SignUp(t, "one@example.com")
	thief, other := b.SignUp(t, "two@example.com")
	agent.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": canary})
	thief.JSON(t, "/apikey/store", map[string]string{"name": "Key", "key": "sk-mine-0123456789"})
	_, err := b.Database.Admin(t).Exec(t.Context(), `UPDATE vault_key_versions AS mine SET wrapped_dek = theirs.wrapped_dek, ciphertext = theirs.ciphertext
		FROM vault_key_versions theirs WHERE mine.workspace_id = $1 AND theirs.workspace_id = $2`,
		other.Text(t, "user", "workspace", "id"), who.Text(t, "user", "workspace", "id"))
	if err != nil {
		t.Fatal(err)
	}
	workspace := uuid.MustParse(other.Text(t, "user", "workspace", "id"))
	fetched, err := b.vault.Fetch(t.Context(), workspace, []string{"key"}, "runtime:x", "test")
	if err == nil || fetched != nil {
		t.Errorf("a stolen row was opened: %v", err)
	}
	lines := b.audit(t, workspace.String())
	if last := lines[len(lines)-1]; !strings.Contains(last, "vault.fetch") || !strings.Contains(last, "error") {
		t.Errorf("the failure is not on record: %v", lines)
	}
}

// TestIndex keeps the cluster's copy in step, also when the namespace comes
// later and when the cluster was away.
func TestIndex(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	namespaceIsThere, writes := false, 0
	b := newBench(t, func(p *portaltest.Portal) {
		p.Deps.Kube = interceptor.NewClient(portaltest.FakeCluster(t), interceptor.Funcs{
			Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				mu.Lock()
				defer mu.Unlock()
				if !namespaceIsThere {
					return apierrors.NewNotFound(corev1.Resource("namespaces"), "x")
				}
				writes++
				return c.Apply(ctx, o, options...)
			},
		})
	})
	agent, who := b.SignUp(t, "one@example.com")
	stored := agent.JSON(t, "/apikey/store", map[string]string{"name": "Chat gpt apikey", "key": canary})
	index := vault.NewIndex(b.Deps)
	reconcile := func() bool {
		t.Helper()
		waiting, err := index.Reconcile(t.Context())
		if err != nil {
			t.Fatalf("Reconcile: %v", err)
		}
		return waiting
	}
	workspace := who.Text(t, "user", "workspace", "name")
	data := func() map[string]string {
		var found corev1.ConfigMap
		err := b.Deps.Kube.Get(t.Context(), client.ObjectKey{Namespace: "weft-ws-" + workspace, Name: "weft-vault-index"}, &found)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if found.Labels[v1alpha1.WorkspaceLabel] != workspace {
			t.Errorf("labels: %v", found.Labels)
		}
		return found.Data
	}
	if !reconcile() {
		t.Error("the index does not wait for the namespace")
	}
	if got := data(); got != nil {
		t.Fatalf("an index without a namespace: %v", got)
	}
	mu.Lock()
	namespaceIsThere = true
	mu.Unlock()
	if reconcile() {
		t.Error("the index waits for nothing")
	}
	if diff := cmp.Diff(map[string]string{"chat-gpt-apikey": "1"}, data()); diff != "" {
		t.Errorf("after the namespace came (-want +got):\n%s", diff)
	}
	reconcile()
	if writes != 1 {
		t.Errorf("%d writes for one change, want 1", writes)
	}
	agent.JSON(t, "/apikey/"+stored.Text(t, "id")+"/rotate", map[string]string{"key": canary + "2"})
	agent.JSON(t, "/apikey/store", map[string]string{"name": "b", "key": canary})
	reconcile()
	if diff := cmp.Diff(map[string]string{"chat-gpt-apikey": "2", "b": "1"}, data()); diff != "" {
		t.Errorf("after a rotation and another key (-want +got):\n%s", diff)
	}
	agent.Do(t, "DELETE", "/apikey/delete/"+stored.Text(t, "id"), "", "")
	reconcile()
	if diff := cmp.Diff(map[string]string{"b": "1"}, data()); diff != "" {
		t.Errorf("after a deletion (-want +got):\n%s", diff)
	}
}

// TestVaultOutlivesRestart shows that another process with the same key reads
// what this one wrote, and one with another key refuses to start.
func TestVaultOutlivesRestart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made, err := keys.NewVault()
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.ParseVault(made)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.New(t.Context(), b.Deps.Store, other, func() {}); err == nil {
		t.Error("a portal with another key-encryption key started")
	}
	_, who := b.SignUp(t, "one@example.com")
	owner := vault.Owner{Workspace: uuid.MustParse(who.Text(t, "user", "workspace", "id")), User: uuid.MustParse(who.Text(t, "user", "id")), Actor: "user:x"}
	if _, err := b.vault.Paste(t.Context(), owner, "", "", catalog.NewSecret(canary)); err == nil {
		t.Error("a key without a name was pasted")
	}
	key, err := b.vault.Paste(t.Context(), owner, "Pasted", "", catalog.NewSecret(canary))
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := b.vault.Fetch(t.Context(), owner.Workspace, []string{key.Reference}, "runtime:x", "test")
	if err != nil || fetched[key.Reference].Value.Reveal() != canary {
		t.Errorf("Fetch: %v", err)
	}
}
