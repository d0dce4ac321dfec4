package flows_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/web/webtest"
)

// switchable is a cluster that can be away.
func switchable(t *testing.T) (*atomic.Bool, func(*portaltest.Portal)) {
	t.Helper()
	away := new(atomic.Bool)
	whole := portaltest.FakeCluster(t)
	c := interceptor.NewClient(whole, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if away.Load() {
				return errAway
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if away.Load() {
				return errAway
			}
			return c.List(ctx, l, opts...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			if away.Load() {
				return errAway
			}
			return c.Apply(ctx, o, opts...)
		},
	})
	return away, func(p *portaltest.Portal) { p.Deps.Kube, p.Deps.Cache = c, c }
}

func TestSavesWhileTheClusterIsAway(t *testing.T) {
	t.Parallel()
	away, option := switchable(t)
	w := webtest.New(t, option)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	away.Store(true)
	saved := save(t, agent, id, "while away")
	if saved.Status != http.StatusOK || saved.Text(t, "message") != "Flowsaved successfully" {
		t.Fatalf("saving: %d %s", saved.Status, saved.Body)
	}
	if state := saved.Text(t, "flow", "status", "state"); state != "Waiting" {
		t.Errorf("the state is %q, want Waiting", state)
	}
	if message := saved.Text(t, "flow", "status", "message"); message != "Saved, waiting for the cluster." {
		t.Errorf("the owner reads %q", message)
	}
	if list := agent.Get(t, "/flows"); list.Status != http.StatusOK || !strings.Contains(list.Body, id) {
		t.Errorf("the list without the cluster: %d %s", list.Status, list.Body)
	}
	away.Store(false)
	portaltest.Eventually(t, "the save arrives in the cluster", func() bool { return inCluster(t, w, name, "blanc-flow") != nil })
	portaltest.Eventually(t, "the status says so", func() bool {
		return agent.Get(t, "/flow/"+id).Text(t, "flow", "status", "state") == "Progressing"
	})
}

func TestOlderVersionsNeverGoOverNewerOnes(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	save(t, agent, id, "first")
	object := inCluster(t, w, name, "blanc-flow")
	object.Annotations["weft.run/flow-version"] = "7"
	if err := w.Deps.Kube.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	save(t, agent, id, "second")
	if got := string(inCluster(t, w, name, "blanc-flow").Spec.Components[1].Params.Raw); strings.Contains(got, "second") {
		t.Errorf("version 2 went over version 7: %s", got)
	}
}

func TestChangesByOthersAreNotWrittenOver(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	save(t, agent, id, "first")
	object := inCluster(t, w, name, "blanc-flow")
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"title":"by kubectl"}}`))
	if err := w.Deps.Kube.Patch(t.Context(), object, patch, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	saved := save(t, agent, id, "second")
	if saved.Status != http.StatusConflict || !strings.Contains(saved.Text(t, "message"), "kubectl-edit") {
		t.Fatalf("saving over kubectl's change: %d %s", saved.Status, saved.Body)
	}
	if !strings.Contains(saved.Body, "by kubectl") || !strings.Contains(saved.Body, "second") {
		t.Errorf("the conflict does not show both versions: %s", saved.Body)
	}
	if got := inCluster(t, w, name, "blanc-flow").Spec.Title; got != "by kubectl" {
		t.Errorf("kubectl's title is now %q", got)
	}
	flow := agent.Get(t, "/flow/"+id)
	if flow.Text(t, "flow", "status", "state") != "Conflict" || !strings.Contains(flow.Body, "second") {
		t.Errorf("the version is not kept, or nobody says that there is a conflict: %s", flow.Body)
	}
}

func TestFlowsOfGitOpsAreReadOnly(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	id := create(t, agent)
	save(t, agent, id, "first")
	object := inCluster(t, w, name, "blanc-flow")
	object.Annotations["argocd.argoproj.io/tracking-id"] = "app:weft.run/Flow:ns/name"
	if err := w.Deps.Kube.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]map[string]any{
		"/save":  {"timestamp": "9999999999999", "flow": ownersFlow("x")},
		"/draft": {"revision": 2, "flow": ownersFlow("x")},
	} {
		if answer := agent.JSON(t, "/flow/"+id+path, body); answer.Status != http.StatusConflict || !strings.Contains(answer.Body, "Argo CD") {
			t.Errorf("%s: %d %s, want a refusal that names Argo CD", path, answer.Status, answer.Body)
		}
	}
	if got := agent.Get(t, "/flow/"+id).Text(t, "flow", "readOnly"); got != "Argo CD" {
		t.Errorf("the flow is read-only because of %q", got)
	}
}

func TestNamesInTheClusterAreNotTaken(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	name, _ := w.Workspace(t, agent)
	putFlow(t, w, name, &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Name: "blanc-flow"}, Spec: v1alpha1.FlowSpec{Title: "by kubectl"}})
	id := create(t, agent)
	save(t, agent, id, "mine")
	if got := inCluster(t, w, name, "blanc-flow").Spec.Title; got != "by kubectl" {
		t.Errorf("the flow of the same name became %q", got)
	}
	if inCluster(t, w, name, "blanc-flow-2") == nil {
		t.Error("the new flow has no name of its own in the cluster")
	}
}

func TestFlowsOfKubectlAreListed(t *testing.T) {
	t.Parallel()
	w := webtest.New(t)
	agent, _ := w.SignUp(t, "ana@example.com")
	stranger, _ := w.SignUp(t, "eve@example.com")
	name, _ := w.Workspace(t, agent)
	putFlow(t, w, name, &v1alpha1.Flow{
		ObjectMeta: metav1.ObjectMeta{Name: "by-kubectl"},
		Spec:       v1alpha1.FlowSpec{Title: "From Git"},
		Status:     v1alpha1.FlowStatus{URL: "http://localhost:30081/f/w/by-kubectl"},
	})
	list := agent.Get(t, "/flows")
	for _, want := range []string{`"id":"by-kubectl"`, "From Git", `"readOnly":"kubectl"`} {
		if !strings.Contains(list.Body, want) {
			t.Errorf("the list lacks %s: %s", want, list.Body)
		}
	}
	if shown := agent.Get(t, "/flow/by-kubectl"); shown.Text(t, "flow", "name") != "From Git" {
		t.Errorf("the flow: %d %s", shown.Status, shown.Body)
	}
	if shown := stranger.Get(t, "/flow/by-kubectl"); shown.Status != http.StatusNotFound {
		t.Errorf("a stranger gets %d", shown.Status)
	}
	if answer := agent.JSON(t, "/flow/by-kubectl/draft", map[string]any{"revision": 1, "flow": ownersFlow("x")}); answer.Status != http.StatusNotFound {
		t.Errorf("editing it here: %d %s", answer.Status, answer.Body)
	}
}
