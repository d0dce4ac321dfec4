package flows_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/web/webtest"
)

// object is JSON.
type object = map[string]any

// ownersFlow is the flow of the owner's document, made of types that there are
// and complete.
func ownersFlow(text string) object {
	return object{
		"name": "Example flow",
		"components": []any{
			object{"id": "1im9-1230-9mi91-2m3x2", "type": "input"},
			object{"id": "5io9-16p0-5si91-3y3tl", "type": "text-template", "name": "Text", "params": object{"text": text}},
			object{"id": "9zo1-00p0-5si91-3y3ab", "type": "output"},
		},
		"edges": []any{
			object{"id": "2id2-52v0-5gi91-2y5f5", "target": "5io9-16p0-5si91-3y3tl", "origin": "1im9-1230-9mi91-2m3x2"},
			object{"id": "3id2-52v0-5gi91-2y5f6", "target": "9zo1-00p0-5si91-3y3ab", "origin": "5io9-16p0-5si91-3y3tl"},
		},
	}
}

// create makes a flow and returns its id.
func create(t *testing.T, agent *portaltest.Agent) string {
	t.Helper()
	answer := agent.JSON(t, "/flow/create?template=blanc", object{})
	if answer.Status != http.StatusOK {
		t.Fatalf("creating a flow: %d %s", answer.Status, answer.Body)
	}
	return answer.Text(t, "flow", "id")
}

// save saves the owner's flow.
func save(t *testing.T, agent *portaltest.Agent, id, text string) portaltest.Answer {
	t.Helper()
	stamp := agent.Get(t, "/flow/"+id).Text(t, "flow", "timestamp")
	return agent.JSON(t, "/flow/"+id+"/save", object{"timestamp": stamp, "flow": ownersFlow(text)})
}

func TestOwnersContract(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "johndoe@mail.com")
	w.StartRuntime(t, agent)

	created := agent.Do(t, http.MethodPost, "/flow/create?template=blanc", "", "")
	flow, _ := created.JSON(t)["flow"].(object)
	if created.Text(t, "success") != "true" || flow["name"] != "blanc flow" {
		t.Fatalf("/flow/create answers %s", created.Body)
	}
	if diff := cmp.Diff([]any{}, flow["components"]); diff != "" {
		t.Errorf("components: -want +got\n%s", diff)
	}
	if diff := cmp.Diff([]any{}, flow["edges"]); diff != "" {
		t.Errorf("edges: -want +got\n%s", diff)
	}
	id, _ := flow["id"].(string)

	saved := agent.JSON(t, "/flow/"+id+"/save", object{"timestamp": "31231231", "flow": ownersFlow("Hello {{ input }}")})
	if saved.Text(t, "success") != "true" || saved.Text(t, "message") != "Flowsaved successfully" {
		t.Errorf("/flow/{id}/save answers %d %s", saved.Status, saved.Body)
	}
	ran := agent.JSON(t, "/flow/"+id+"/run", object{"input": "Ana"})
	if ran.Text(t, "success") != "true" || ran.Text(t, "message") != "Flow ran successfully" || ran.Text(t, "result") != "Hello Ana" {
		t.Errorf("/flow/{id}/run answers %d %s", ran.Status, ran.Body)
	}
	if steps, _ := ran.JSON(t)["components"].([]any); len(steps) != 3 {
		t.Errorf("the answer of a run shows %d steps, want 3: %s", len(steps), ran.Body)
	}
	deleted := agent.Do(t, http.MethodDelete, "/flow/delete/"+id, "", "")
	if diff := cmp.Diff(object{"success": "true", "message": "Flow deleted successfully"}, deleted.JSON(t)); diff != "" {
		t.Errorf("/flow/delete/{id}: -want +got\n%s", diff)
	}
	if gone := agent.Get(t, "/flow/"+id); gone.Status != http.StatusNotFound {
		t.Errorf("a deleted flow answers %d", gone.Status)
	}
}

func TestRunTakesAFlowThatIsNotKept(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	w.StartRuntime(t, agent)
	id := create(t, agent)
	ran := agent.JSON(t, "/flow/"+id+"/run", object{"input": "Ana", "flow": ownersFlow("Bye {{ input }}")})
	if ran.Text(t, "result") != "Bye Ana" {
		t.Errorf("the run answers %d %s", ran.Status, ran.Body)
	}
	if flow := agent.Get(t, "/flow/"+id).JSON(t)["flow"].(object); len(flow["components"].([]any)) != 0 {
		t.Errorf("a run keeps the flow that came with it: %v", flow)
	}
}

func TestRunStreams(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	w.StartRuntime(t, agent)
	id := create(t, agent)
	ran := agent.JSON(t, "/flow/"+id+"/run", object{"input": "Ana", "flow": ownersFlow("Hello {{ input }}")}, portaltest.With("Accept", "text/event-stream"))
	if kind := ran.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("the run answers %d as %s: %s", ran.Status, kind, ran.Body)
	}
	var types []string
	for line := range strings.SplitSeq(ran.Body, "\n") {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			types = append(types, name)
		}
	}
	if len(types) < 8 || types[0] != "run.started" || types[len(types)-1] != "run.finished" {
		t.Errorf("the events are %v", types)
	}
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	id := create(t, agent)
	early := agent.JSON(t, "/flow/"+id+"/run", object{"input": "Ana", "flow": ownersFlow("Hello")})
	if early.Status != http.StatusServiceUnavailable || early.Header.Get("Retry-After") == "" || !strings.Contains(early.Text(t, "message"), "being prepared") {
		t.Errorf("a workspace that is not up yet: %d %s", early.Status, early.Body)
	}
	w.StartRuntime(t, agent)
	cases := map[string]struct {
		reason string
		flow   object
		status int
		field  string
	}{
		"Problems": {
			reason: "each problem is named with its step and field",
			flow:   object{"name": "x", "components": []any{object{"id": "a", "type": "openai-chat"}}, "edges": []any{}},
			status: http.StatusBadRequest, field: "flow.components[a].credential",
		},
		"NoSteps": {
			reason: "a flow without steps has nothing to run",
			flow:   object{"name": "x", "components": []any{}, "edges": []any{}},
			status: http.StatusBadRequest, field: "flow.components",
		},
		"Unknown": {
			reason: "a field that is not known is refused",
			flow:   object{"name": "x", "steps": []any{}},
			status: http.StatusBadRequest, field: "flow.steps",
		},
		"Expression": {
			reason: "a step that fails fails the run, and says so",
			flow:   ownersFlow("{{ input.nothing.here }}"),
			status: http.StatusBadRequest,
		},
	}
	for name, tc := range cases {
		ran := agent.JSON(t, "/flow/"+id+"/run", object{"input": "Ana", "flow": tc.flow})
		if ran.Status != tc.status || ran.Text(t, "success") != "false" || ran.Text(t, "message") == "" {
			t.Errorf("%s: %s: %d %s", name, tc.reason, ran.Status, ran.Body)
		}
		if tc.field != "" && !strings.Contains(ran.Body, `"`+tc.field+`"`) {
			t.Errorf("%s: %s: %s is not in %s", name, tc.reason, tc.field, ran.Body)
		}
	}
}

func TestStaleSavesShowBothVersions(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	id := create(t, agent)
	old := agent.Get(t, "/flow/"+id).Text(t, "flow", "timestamp")
	if first := save(t, agent, id, "first"); first.Status != http.StatusOK {
		t.Fatalf("saving: %d %s", first.Status, first.Body)
	}
	stale := agent.JSON(t, "/flow/"+id+"/save", object{"timestamp": old, "flow": ownersFlow("second")})
	if stale.Status != http.StatusConflict || stale.Text(t, "success") != "false" {
		t.Fatalf("a save of an older copy: %d %s", stale.Status, stale.Body)
	}
	for name, want := range map[string]string{"yours": "second", "stored": "first"} {
		flow, _ := stale.JSON(t)[name].(object)
		if !strings.Contains(stale.Body, want) || flow == nil {
			t.Errorf("the conflict does not show %s: %s", name, stale.Body)
		}
	}
	missing := agent.JSON(t, "/flow/"+id+"/save", object{"flow": ownersFlow("second")})
	if missing.Status != http.StatusBadRequest || !strings.Contains(missing.Body, `"timestamp"`) {
		t.Errorf("a save without a timestamp: %d %s", missing.Status, missing.Body)
	}
}

func TestDraftsOverJSON(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	id := create(t, agent)
	broken := object{"name": "x", "components": []any{object{"id": "a", "type": "openai-chat"}}, "edges": []any{}}
	kept := agent.JSON(t, "/flow/"+id+"/draft", object{"revision": 1, "flow": broken})
	if kept.Status != http.StatusOK || !strings.Contains(kept.Body, `"Credential"`) || !strings.Contains(kept.Body, `"revision":2`) {
		t.Fatalf("a draft may have problems, and names them: %d %s", kept.Status, kept.Body)
	}
	stale := agent.JSON(t, "/flow/"+id+"/draft", object{"revision": 1, "flow": ownersFlow("mine")})
	if stale.Status != http.StatusConflict || stale.JSON(t)["stored"] == nil || stale.JSON(t)["yours"] == nil {
		t.Errorf("a change of an older revision: %d %s", stale.Status, stale.Body)
	}
	nul := agent.JSON(t, "/flow/"+id+"/draft", object{"revision": 2, "flow": ownersFlow("a\x00b")})
	if nul.Status != http.StatusBadRequest {
		t.Errorf("a text with NUL: %d %s", nul.Status, nul.Body)
	}
}

func TestOthersAndAbsentFlowsAreTheSame(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	owner, _ := w.SignUp(t, "ana@example.com")
	stranger, _ := w.SignUp(t, "eve@example.com")
	id, absent := create(t, owner), uuid.NewString()
	body := map[string]any{"timestamp": "31231231", "flow": ownersFlow("x"), "revision": 1}
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/flow/%", nil},
		{http.MethodGet, "/flow/%/versions", nil},
		{http.MethodGet, "/flow/%/export", nil},
		{http.MethodGet, "/flow/%/share", nil},
		{http.MethodGet, "/flow/%/endpoint-keys", nil},
		{http.MethodDelete, "/flow/delete/%", nil},
		{http.MethodPost, "/flow/delete/%", nil},
		{http.MethodPost, "/flow/%/duplicate", nil},
		{http.MethodPost, "/flow/%/undelete", nil},
		{http.MethodPost, "/flow/%/save", map[string]any{"timestamp": "31231231", "flow": ownersFlow("x")}},
		{http.MethodPost, "/flow/%/draft", map[string]any{"revision": 1, "flow": body["flow"]}},
		{http.MethodPost, "/flow/%/run", object{}},
		{http.MethodPost, "/flow/%/restore", object{"version": 1}},
		{http.MethodPost, "/flow/%/visibility", object{"visibility": "Public"}},
		{http.MethodPost, "/flow/%/endpoint-keys", object{"name": "x"}},
		{http.MethodPost, "/flow/%/endpoint-keys/" + uuid.NewString() + "/delete", nil},
	} {
		ask := func(id string) portaltest.Answer {
			path := strings.ReplaceAll(call.path, "%", id)
			if call.body == nil {
				return stranger.Do(t, call.method, path, "", "")
			}
			return stranger.JSON(t, path, call.body)
		}
		others, none := ask(id), ask(absent)
		if others.Status != http.StatusNotFound || others.Body != none.Body || none.Status != http.StatusNotFound {
			t.Errorf("%s %s: another's flow %d %q, an absent one %d %q; want the same 404", call.method, call.path, others.Status, others.Body, none.Status, none.Body)
		}
	}
	if list := stranger.Get(t, "/flows"); strings.Contains(list.Body, id) {
		t.Errorf("a stranger's list shows the flow: %s", list.Body)
	}
}

func TestVersionsAndRestore(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	id := create(t, agent)
	save(t, agent, id, "first")
	save(t, agent, id, "second")
	versions, _ := agent.Get(t, "/flow/"+id+"/versions").JSON(t)["versions"].([]any)
	if len(versions) != 2 {
		t.Fatalf("there are %d versions, want 2: %v", len(versions), versions)
	}
	restored := agent.JSON(t, "/flow/"+id+"/restore", object{"version": 1})
	if restored.Status != http.StatusOK || !strings.Contains(agent.Get(t, "/flow/"+id).Body, "first") {
		t.Errorf("restoring: %d %s", restored.Status, restored.Body)
	}
	if none := agent.JSON(t, "/flow/"+id+"/restore", object{"version": 7}); none.Status != http.StatusNotFound {
		t.Errorf("restoring a version that was never made: %d", none.Status)
	}
	export := agent.Get(t, "/flow/"+id+"/export")
	for _, want := range []string{"apiVersion: weft.run/v1alpha1", "kind: Flow", "name: blanc-flow", "text: first"} {
		if !strings.Contains(export.Body, want) {
			t.Errorf("the export lacks %q:\n%s", want, export.Body)
		}
	}
	copied := agent.JSON(t, "/flow/"+id+"/duplicate", object{})
	if got := copied.Text(t, "flow", "name"); got != "Example flow (copy)" {
		t.Errorf("a copy is called %q: %s", got, copied.Body)
	}
}

func TestUndelete(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	id := create(t, agent)
	save(t, agent, id, "first")
	name, _ := w.Workspace(t, agent)
	agent.Do(t, http.MethodPost, "/flow/delete/"+id, "", "")
	if inCluster(t, w, name, "blanc-flow") != nil {
		t.Error("the object of a deleted flow is still there")
	}
	if back := agent.JSON(t, "/flow/"+id+"/undelete", object{}); back.Status != http.StatusOK {
		t.Fatalf("bringing it back: %d %s", back.Status, back.Body)
	}
	if inCluster(t, w, name, "blanc-flow") == nil {
		t.Error("the object of a flow that came back is not there")
	}
}

func TestEndpointKeys(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	putFlow(t, w, name, &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Name: "by-kubectl"}})
	for _, id := range []string{create(t, agent), "by-kubectl"} {
		made := agent.JSON(t, "/flow/"+id+"/endpoint-keys", object{"name": "My site"})
		key := made.Text(t, "key")
		if made.Status != http.StatusOK || !strings.HasPrefix(key, "wk_") || len(key) < 40 || made.Text(t, "id") == "" {
			t.Fatalf("making a key of %s: %d %s", id, made.Status, made.Body)
		}
		list := agent.Get(t, "/flow/"+id+"/endpoint-keys")
		if strings.Contains(list.Body, key) || !strings.Contains(list.Body, key[len(key)-4:]) {
			t.Errorf("the list shows the last four characters and no more: %s", list.Body)
		}
		path := "/flow/" + id + "/endpoint-keys/" + made.Text(t, "id") + "/delete"
		if revoked := agent.JSON(t, path, object{}); revoked.Status != http.StatusOK {
			t.Errorf("revoking: %d %s", revoked.Status, revoked.Body)
		}
		if again := agent.JSON(t, path, object{}); again.Status != http.StatusNotFound {
			t.Errorf("revoking twice: %d", again.Status)
		}
	}
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	save(t, agent, id, "first")
	if changed := agent.JSON(t, "/flow/"+id+"/visibility", object{"visibility": "Public"}); changed.Status != http.StatusOK {
		t.Fatalf("changing: %d %s", changed.Status, changed.Body)
	}
	if got := inCluster(t, w, name, "blanc-flow").Spec.Exposure.Visibility; got != v1alpha1.VisibilityPublic {
		t.Errorf("the cluster says %q", got)
	}
	if wrong := agent.JSON(t, "/flow/"+id+"/visibility", object{"visibility": "Everybody"}); wrong.Status != http.StatusBadRequest {
		t.Errorf("a visibility that there is not: %d", wrong.Status)
	}
}

func TestVisibilityKeepsUnsavedChanges(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	save(t, agent, id, "saved")
	revision := agent.Get(t, "/flow/"+id).JSON(t)["flow"].(object)["revision"]
	agent.JSON(t, "/flow/"+id+"/draft", object{"revision": revision, "flow": ownersFlow("draft only")})
	agent.JSON(t, "/flow/"+id+"/visibility", object{"visibility": "Public"})
	if got := string(inCluster(t, w, name, "blanc-flow").Spec.Components[1].Params.Raw); strings.Contains(got, "draft only") {
		t.Errorf("saying who may call brings unsaved changes into use: %s", got)
	}
	if body := agent.Get(t, "/flow/"+id).Body; !strings.Contains(body, "draft only") || !strings.Contains(body, "Public") {
		t.Errorf("the draft lost its changes: %s", body)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	want := map[string]bool{}
	for range 5 {
		want[create(t, agent)] = true
	}
	path := "/flows?limit=2"
	for range 4 {
		page := agent.Get(t, path)
		list, _ := page.JSON(t)["flows"].([]any)
		for _, item := range list {
			delete(want, item.(object)["id"].(string))
		}
		after := page.Text(t, "after")
		if after == "" {
			break
		}
		path = "/flows?limit=2&after=" + after
	}
	if len(want) != 0 {
		t.Errorf("%d flows are on no page", len(want))
	}
	if bad := agent.Get(t, "/flows?after=nonsense"); bad.Status != http.StatusBadRequest {
		t.Errorf("a cursor that was never given: %d", bad.Status)
	}
}

func inCluster(t *testing.T, w *webtest.World, workspace, name string) *v1alpha1.Flow {
	t.Helper()
	list := new(v1alpha1.FlowList)
	if err := w.Deps.Kube.List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Namespace == v1alpha1.WorkspaceNamespacePrefix+workspace && list.Items[i].Name == name {
			return &list.Items[i]
		}
	}
	return nil
}

func putFlow(t *testing.T, w *webtest.World, workspace string, flow *v1alpha1.Flow) {
	t.Helper()
	flow.Namespace = v1alpha1.WorkspaceNamespacePrefix + workspace
	if err := w.Deps.Kube.Create(t.Context(), flow); err != nil {
		t.Fatal(err)
	}
}

var errAway = errors.New("connection refused")
