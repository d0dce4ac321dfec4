package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/graph"
)

// saveRequest is the owner's body of a save.
type saveRequest struct {
	// Timestamp of the editor's copy.
	Timestamp Timestamp `json:"timestamp"`
	// Flow to be saved. Absent: the draft.
	Flow json.RawMessage `json:"flow"`
	Note string          `json:"note,omitempty"`
}

// Validate checks the fields.
func (s *saveRequest) Validate() []server.FieldError {
	var problems []server.FieldError
	if s.Timestamp.Time.IsZero() {
		problems = append(problems, server.FieldError{Field: "timestamp", Code: server.CodeRequired, Message: "Send the timestamp of the copy that you edited."})
	}
	if len([]rune(s.Note)) > 500 {
		problems = append(problems, server.FieldError{Field: "note", Code: server.CodeTooLarge, Message: "A note has at most 500 characters."})
	}
	return problems
}

// savedMessage is the owner's text, to the letter.
const savedMessage = "Flowsaved successfully"

func (m *Module) save(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	if isForm(r) {
		return m.savePost(w, r, l)
	}
	request, err := server.Bind[saveRequest](r)
	if err != nil {
		return err
	}
	body := l.Body
	if len(request.Flow) > 0 && string(request.Flow) != "null" {
		spec, err := decodeDocument(request.Flow)
		if err != nil {
			return err
		}
		body.Spec = *spec
	}
	seen := request.Timestamp.latest()
	saved, err := m.store(r, l, body, savePlan{Seen: &seen, AnyRevision: true, Note: request.Note})
	if err != nil {
		return err
	}
	doc := saved.document()
	return server.JSON(w, http.StatusOK, FlowResponse{Success: success, Message: savedMessage, Flow: doc})
}

// savePost takes a form: the outline's controls, or none for the draft as it
// is.
func (m *Module) savePost(w http.ResponseWriter, r *http.Request, l loaded) error {
	form, err := server.Form(r)
	if err != nil {
		return err
	}
	body, revision, err := m.fromForm(l, form)
	if err != nil {
		return err
	}
	refused := m.attach(r, l.Who, form, &body.Spec)
	if err := m.keep(r, &l, body, revision); err != nil {
		return m.answerConflict(w, r, err)
	}
	if refused != nil {
		return m.showRefusedKey(w, l, refused)
	}
	return m.saveForm(w, r, l)
}

// saveForm saves the draft that was just kept and shows the flow.
func (m *Module) saveForm(w http.ResponseWriter, r *http.Request, l loaded) error {
	path := "/flow/" + l.Flow.ID.String()
	if len(m.problems(&l.Body.Spec)) > 0 {
		m.Site.SetFlash(w, "flash.not-saved")
		server.Redirect(w, path+"?check=1#problems")
		return nil
	}
	saved, err := m.store(r, l, l.Body, savePlan{Revision: l.Revision})
	if err != nil {
		return m.answerConflict(w, r, err)
	}
	message := "flash.saved"
	if saved.status().State == PhaseWaiting {
		message = "flash.saved-waiting"
	}
	m.Site.SetFlash(w, message)
	server.Redirect(w, path)
	return nil
}

// savePlan says what a save is bound to.
type savePlan struct {
	// Revision of the draft, unless AnyRevision.
	Revision    int64
	AnyRevision bool
	// Seen is the writer's copy's time.
	Seen *time.Time
	Note string
}

// store validates, stores a version, and brings it to the cluster. A cluster
// that is away does not keep anybody from saving.
func (m *Module) store(r *http.Request, l loaded, body Body, plan savePlan) (loaded, error) {
	if l.readOnly() != "" {
		return loaded{}, readOnlyError(l.readOnly())
	}
	if problems := m.problems(&body.Spec); len(problems) > 0 {
		return loaded{}, invalidFlow(problems)
	}
	if err := m.checkVisibility(r, l, &body.Spec); err != nil {
		return loaded{}, err
	}
	save, err := newSave(l, body, plan)
	if err != nil {
		return loaded{}, err
	}
	_, err = m.Store.SaveFlow(r.Context(), l.Who.Workspace.ID, l.Flow.ID, save)
	if errors.Is(err, store.ErrConflict) {
		return loaded{}, m.draftConflict(r, &body.Spec)
	}
	if err != nil {
		return loaded{}, err
	}
	return m.bring(r, l, &body.Spec)
}

// checkVisibility lets only those who may publish save a flow that others may
// call than before.
func (m *Module) checkVisibility(r *http.Request, l loaded, spec *v1alpha1.FlowSpec) error {
	before := v1alpha1.FlowSpec{}
	if l.Flow.CurrentVersion > 0 {
		version, err := m.Store.Version(r.Context(), l.Who.Workspace.ID, l.Flow.ID, l.Flow.CurrentVersion)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(version.Body, &before); err != nil {
			return fmt.Errorf("reading version %d: %w", version.Number, err)
		}
	}
	if visibilityOf(&before) == visibilityOf(spec) {
		return nil
	}
	return m.mayPublish(r, l.stored)
}

func newSave(l loaded, body Body, plan savePlan) (store.FlowSave, error) {
	spec, err := json.Marshal(body.Spec)
	if err != nil {
		return store.FlowSave{}, fmt.Errorf("encoding a version: %w", err)
	}
	draft, err := json.Marshal(body)
	if err != nil {
		return store.FlowSave{}, fmt.Errorf("encoding a draft: %w", err)
	}
	if len(draft) > maxFlowBody {
		return store.FlowSave{}, &server.Error{Status: http.StatusRequestEntityTooLarge, Message: "The flow is too large to be saved: at most 1.5 MB."}
	}
	return store.FlowSave{
		Spec: spec, Hash: graph.Hash(&body.Spec), Note: plan.Note, Actor: l.Who.Actor(), Seen: plan.Seen, AnyRevision: plan.AnyRevision,
		Draft: store.DraftChange{Body: draft, Title: body.Spec.Title, Revision: plan.Revision, UserID: l.Who.UserID},
	}, nil
}

// bring writes the stored version to the cluster. Only a conflict with somebody
// else's change is the caller's to resolve; everything else is tried again
// behind their back.
func (m *Module) bring(r *http.Request, l loaded, mine *v1alpha1.FlowSpec) (loaded, error) {
	err := m.sync.Now(r.Context(), l.Who.Workspace.ID, l.Flow.ID)
	if err != nil {
		m.Log.InfoContext(r.Context(), "a saved flow waits for the cluster", "flow", l.Flow.ID, "error", err)
	}
	fresh, loadErr := m.load(r)
	if loadErr != nil {
		return loaded{}, loadErr
	}
	var refused *clusterError
	if errors.As(err, &refused) && refused.Reason == reasonConflict {
		return loaded{}, m.clusterConflict(r.Context(), fresh, mine, refused)
	}
	if errors.As(err, &refused) && refused.Reason == reasonRefused {
		return loaded{}, server.Invalid(server.FieldError{Field: "flow", Code: server.CodeInvalid, Message: refused.Message})
	}
	return fresh, nil
}

// clusterConflict describes a conflict with what the cluster has. The version
// is kept here; the cluster's is never written over.
func (m *Module) clusterConflict(ctx context.Context, l loaded, mine *v1alpha1.FlowSpec, refused *clusterError) error {
	message := refused.Message + " Your version is kept here as version " + fmt.Sprint(l.Flow.CurrentVersion) + "; the cluster keeps the other one."
	object, err := m.cluster.get(ctx, m.cluster.kube, l.target())
	if err != nil || object == nil {
		return &server.Error{Status: http.StatusConflict, Message: message, Cause: err}
	}
	c := &conflict{
		answer: server.Conflict(message),
		View:   ConflictView{ID: l.Flow.ID.String(), Name: mine.Title, Message: message, Revision: l.Revision},
	}
	theirs := newDocument(&object.Spec)
	c.answer.Extra = map[string]any{"yours": newDocument(mine), "stored": theirs}
	if c.View.Mine, err = exportYAML(l.Flow.Name, mine); err != nil {
		return err
	}
	if c.View.Theirs, err = exportYAML(l.Flow.Name, &object.Spec); err != nil {
		return err
	}
	encoded, err := json.Marshal(theirs)
	if err != nil {
		return fmt.Errorf("encoding a flow: %w", err)
	}
	c.View.TheirsJSON = string(encoded)
	return c
}
