package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/runtime/graph"
)

func (m *Module) get(w http.ResponseWriter, r *http.Request) error {
	if object, err := m.clusterOnly(r); object != nil || err != nil {
		return m.showClusterOnly(w, r, object, err)
	}
	l, err := m.load(r)
	if err != nil {
		return err
	}
	if server.WantsHTML(r) && m.Views != nil {
		return m.showEditor(w, r, l)
	}
	doc := l.document()
	w.Header().Set("ETag", `"`+doc.Timestamp.String()+`"`)
	return server.JSON(w, http.StatusOK, FlowResponse{Success: success, Flow: doc})
}

// clusterOnly returns the object where the path names a flow by the name that
// it has in the cluster, and the portal does not have it.
func (m *Module) clusterOnly(r *http.Request) (*v1alpha1.Flow, error) {
	name := r.PathValue("id")
	if _, err := uuid.Parse(name); err == nil || len(name) > maxSlug || !isSlug(name) {
		return nil, nil
	}
	who, err := subject(r)
	if err != nil {
		return nil, err
	}
	object, err := m.cluster.Get(r.Context(), target{Workspace: who.Workspace.Name, Name: name})
	if err != nil {
		return nil, server.Unavailable("cluster", err)
	}
	if object == nil || object.Annotations[annotationID] != "" {
		return nil, server.NotFound()
	}
	return object, nil
}

func isSlug(name string) bool {
	return name != "" && name == slug(name)
}

func (m *Module) showClusterOnly(w http.ResponseWriter, r *http.Request, object *v1alpha1.Flow, err error) error {
	if err != nil {
		return err
	}
	summary := clusterSummary(object)
	if server.WantsHTML(r) && m.Views != nil {
		text, err := exportYAML(object.Name, &object.Spec)
		if err != nil {
			return err
		}
		return m.Views.ClusterFlow(w, r, ClusterView{Summary: summary, Spec: &object.Spec, YAML: text})
	}
	doc := newDocument(&object.Spec)
	doc.ID, doc.Name, doc.URL, doc.Status = summary.ID, summary.Name, summary.URL, summary.Status
	doc.Timestamp, doc.ReadOnly = summary.Timestamp, summary.ReadOnly
	return server.JSON(w, http.StatusOK, FlowResponse{Success: success, Flow: doc})
}

func (m *Module) showEditor(w http.ResponseWriter, r *http.Request, l loaded) error {
	view, err := m.editorView(r, l)
	if err != nil {
		return err
	}
	return m.Views.Editor(w, r, view)
}

func (m *Module) editorView(r *http.Request, l loaded) (EditorView, error) {
	query := r.URL.Query()
	outline.Sort(&l.Body.Spec)
	view := EditorView{Document: l.document(), Slug: l.Flow.Name, Open: query.Get("step")}
	if len(l.Body.Input) > 0 {
		if err := json.Unmarshal(l.Body.Input, &view.Input); err != nil {
			return EditorView{}, fmt.Errorf("reading a test input: %w", err)
		}
	}
	if query.Has("check") {
		view.Checked, view.Problems = true, m.problems(&l.Body.Spec)
	}
	var err error
	if view.Document.Status.Unsaved, err = m.unsaved(r.Context(), l); err != nil {
		return EditorView{}, err
	}
	if view.YAML, err = exportYAML(l.Flow.Name, &l.Body.Spec); err != nil {
		return EditorView{}, err
	}
	if view.Keys, err = m.Keys.ListKeys(r.Context(), l.Who); err != nil {
		m.Log.WarnContext(r.Context(), "listing keys for the editor", "error", err)
		view.KeysAway = true
	}
	m.findRun(r.Context(), l, query.Get("run"), &view)
	return view, nil
}

// unsaved says whether the draft differs from the version that was saved last.
func (m *Module) unsaved(ctx context.Context, l loaded) (bool, error) {
	if l.Flow.CurrentVersion == 0 {
		return false, nil
	}
	version, err := m.Store.Version(ctx, l.Who.Workspace.ID, l.Flow.ID, l.Flow.CurrentVersion)
	if err != nil {
		return false, err
	}
	saved := new(v1alpha1.FlowSpec)
	if err := json.Unmarshal(version.Body, saved); err != nil {
		return false, fmt.Errorf("reading version %d: %w", version.Number, err)
	}
	outline.Sort(saved)
	return !equality.Semantic.DeepEqual(*saved, l.Body.Spec), nil
}

func (m *Module) findRun(ctx context.Context, l loaded, id string, view *EditorView) {
	if _, err := uuid.Parse(id); err != nil {
		return
	}
	record, err := m.EventLog.Run(ctx, l.Who.Workspace.ID, l.Who.UserID, id)
	if err == nil {
		view.Run, err = decodeRun(record)
	}
	view.RunGone = err != nil
}

// problems returns what is wrong with a flow: what the one validator says, and
// what only a form can get wrong.
func (m *Module) problems(spec *v1alpha1.FlowSpec) []graph.Problem {
	return append(graph.Validate(spec, m.Catalog), brokenTexts(spec, m.Catalog)...)
}

func (m *Module) export(w http.ResponseWriter, r *http.Request) error {
	name, spec, err := m.exported(r)
	if err != nil {
		return err
	}
	text, err := exportYAML(name, spec)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.yaml"`)
	_, err = w.Write([]byte(text))
	return err
}

func (m *Module) exported(r *http.Request) (string, *v1alpha1.FlowSpec, error) {
	if object, err := m.clusterOnly(r); object != nil || err != nil {
		if err != nil {
			return "", nil, err
		}
		return object.Name, &object.Spec, nil
	}
	l, err := m.load(r)
	if err != nil {
		return "", nil, err
	}
	return l.Flow.Name, &l.Body.Spec, nil
}

// exportYAML returns the flow as kubectl takes it: no namespace, no status, and
// references instead of keys.
func exportYAML(name string, spec *v1alpha1.FlowSpec) (string, error) {
	object := map[string]any{
		"apiVersion": v1alpha1.GroupVersion().String(),
		"kind":       "Flow",
		"metadata":   map[string]any{"name": name},
		"spec":       spec,
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("writing a flow as YAML: %w", err)
	}
	return dropEmpty(string(text)), nil
}

// dropEmpty removes the lines of structs that hold nothing.
func dropEmpty(text string) string {
	text = strings.ReplaceAll(text, "  exposure: {}\n", "")
	return strings.ReplaceAll(text, "  runtime: {}\n", "")
}
