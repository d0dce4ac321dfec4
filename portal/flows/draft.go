package flows

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/graph"
)

// draftRequest is a change of the draft.
type draftRequest struct {
	// Revision of the draft that the change was made to.
	Revision int64           `json:"revision"`
	Flow     json.RawMessage `json:"flow"`
	// Input to try the flow with; kept with the draft.
	Input json.RawMessage `json:"input,omitempty"`
}

// DraftResponse is the answer to a change of the draft.
type DraftResponse struct {
	Success   string    `json:"success"`
	Message   string    `json:"message"`
	Revision  int64     `json:"revision"`
	Timestamp Timestamp `json:"timestamp"`
	// Problems that a save would refuse. A draft may have them.
	Problems []graph.Problem `json:"problems"`
}

func (m *Module) draft(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	if isForm(r) {
		return m.outlinePost(w, r, l)
	}
	request, err := server.Bind[draftRequest](r)
	if err != nil {
		return err
	}
	spec, err := decodeDocument(request.Flow)
	if err != nil {
		return err
	}
	body := Body{Spec: *spec, Input: l.Body.Input}
	if len(request.Input) > 0 {
		body.Input = request.Input
	}
	if err := m.keep(r, &l, body, request.Revision); err != nil {
		return err
	}
	return server.JSON(w, http.StatusOK, DraftResponse{
		Success: success, Message: "Draft saved", Revision: l.Revision, Timestamp: timestampOf(l.Flow), Problems: nonNil(m.problems(spec)),
	})
}

func isForm(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.TrimSpace(strings.ToLower(kind)) == "application/x-www-form-urlencoded"
}

// keep writes the draft and updates l to what is stored then.
func (m *Module) keep(r *http.Request, l *loaded, body Body, revision int64) error {
	if l.readOnly() != "" {
		return readOnlyError(l.readOnly())
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a draft: %w", err)
	}
	if len(encoded) > maxFlowBody {
		return &server.Error{Status: http.StatusRequestEntityTooLarge, Message: "The flow is too large to be kept: at most 1.5 MB."}
	}
	if hasNUL(encoded) {
		return server.Invalid(server.FieldError{Field: "flow", Code: server.CodeInvalid, Message: "A text of the flow contains the character NUL, which cannot be stored."})
	}
	_, err = m.Store.UpdateDraft(r.Context(), l.Who.Workspace.ID, l.Flow.ID, store.DraftChange{
		Body: encoded, Title: body.Spec.Title, Revision: revision, UserID: l.Who.UserID,
	})
	if errors.Is(err, store.ErrConflict) {
		return m.draftConflict(r, &body.Spec)
	}
	if err != nil {
		return err
	}
	fresh, err := m.load(r)
	if err != nil {
		return err
	}
	*l = fresh
	return nil
}

func readOnlyError(owner string) error {
	return &server.Error{
		Status:  http.StatusConflict,
		Message: fmt.Sprintf("This flow is managed by %s and can be read only here. Change it there; the page of the flow has its YAML to copy.", owner),
	}
}

// conflict is a write that another one has overtaken. It carries both versions.
type conflict struct {
	answer *server.Error
	View   ConflictView
}

// Error returns what happened.
func (c *conflict) Error() string { return c.answer.Error() }

// Unwrap returns the answer for programs.
func (c *conflict) Unwrap() error { return c.answer }

const draftConflictMessage = "This flow was changed elsewhere since you opened it. Both versions are here; nothing is lost."

func (m *Module) draftConflict(r *http.Request, mine *v1alpha1.FlowSpec) error {
	fresh, err := m.load(r)
	if err != nil {
		return err
	}
	return newConflict(fresh, mine, draftConflictMessage)
}

// newConflict describes a conflict between what was sent and the stored draft.
func newConflict(fresh loaded, mine *v1alpha1.FlowSpec, message string) error {
	mineDoc, theirs := newDocument(mine), fresh.document()
	c := &conflict{
		answer: server.Conflict(message),
		View:   ConflictView{ID: theirs.ID, Name: theirs.Name, Message: message, Revision: fresh.Revision},
	}
	c.answer.Extra = map[string]any{"yours": mineDoc, "stored": theirs}
	var err error
	if c.View.Mine, err = exportYAML(fresh.Flow.Name, mine); err != nil {
		return err
	}
	if c.View.Theirs, err = exportYAML(fresh.Flow.Name, &fresh.Body.Spec); err != nil {
		return err
	}
	encoded, err := json.Marshal(mineDoc)
	if err != nil {
		return fmt.Errorf("encoding a flow: %w", err)
	}
	c.View.MineJSON = string(encoded)
	return c
}

// answerConflict renders a conflict for browsers; other errors stay.
func (m *Module) answerConflict(w http.ResponseWriter, r *http.Request, err error) error {
	var c *conflict
	if !errors.As(err, &c) || m.Views == nil || !server.WantsHTML(r) {
		return err
	}
	return m.Views.Conflict(w, r, c.View)
}

// outlinePost takes the outline's form: it keeps everything that was typed, and
// then does what the pressed button says.
func (m *Module) outlinePost(w http.ResponseWriter, r *http.Request, l loaded) error {
	form, err := server.Form(r)
	if err != nil {
		return err
	}
	body, revision, err := m.fromForm(l, form)
	if err != nil {
		return err
	}
	refused := m.attach(r, l.Who, form, &body.Spec)
	action := parseAction(form.Get(FormDo))
	focus, refusal := m.editOutline(form, &body.Spec, action)
	if refusal != nil {
		m.Site.SetFlash(w, refusal.Error())
	}
	if err := m.keep(r, &l, body, revision); err != nil {
		return m.answerConflict(w, r, err)
	}
	if refused != nil {
		return m.showRefusedKey(w, l, refused)
	}
	switch action.Verb {
	case "save":
		return m.saveForm(w, r, l)
	case "run":
		return m.runForm(w, r, l)
	}
	if isScript(r) {
		return server.JSON(w, http.StatusOK, DraftResponse{
			Success: success, Message: "Draft saved", Revision: l.Revision, Timestamp: timestampOf(l.Flow), Problems: []graph.Problem{},
		})
	}
	server.Redirect(w, editorPath(l, openStep(form, action), focus))
	return nil
}

// isScript says whether our own script sent the form, to keep the draft.
func isScript(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// openStep is the step whose settings the next page shows.
func openStep(form url.Values, action action) string {
	if action.Verb == "open" {
		return action.Step
	}
	return form.Get(FormOpen)
}

func editorPath(l loaded, open, focus string) string {
	path := "/flow/" + l.Flow.ID.String()
	if focus != "" && open != "" {
		open = focus
	}
	if open != "" {
		path += "?step=" + url.QueryEscape(open)
	}
	if focus != "" {
		path += "#step-" + url.PathEscape(focus)
	}
	return path
}

// fromForm applies a form to the draft: its controls, or a whole flow.
func (m *Module) fromForm(l loaded, form url.Values) (Body, int64, error) {
	revision, err := strconv.ParseInt(form.Get(FormRevision), 10, 64)
	if err != nil {
		revision = l.Revision
	}
	if text := form.Get(FormDocument); text != "" {
		spec, err := decodeDocument(json.RawMessage(text))
		if err != nil {
			return Body{}, 0, err
		}
		return Body{Spec: *spec, Input: l.Body.Input}, revision, nil
	}
	body := Body{Spec: *l.Body.Spec.DeepCopy(), Input: l.Body.Input}
	return body, revision, readOutline(form, &body, m.Catalog)
}

// refusedKey is a pasted key that the vault did not take.
type refusedKey struct {
	Step string
	Err  error
}

// attach stores pasted keys in the vault and lets their steps use them. What
// else was typed is kept, whether or not the vault takes the key.
func (m *Module) attach(r *http.Request, who identity.Subject, form url.Values, spec *v1alpha1.FlowSpec) *refusedKey {
	for i := range spec.Components {
		step := &spec.Components[i]
		pasted, ok := readPasted(form, step, m.Catalog)
		if !ok {
			continue
		}
		key, err := m.Keys.StoreKey(r.Context(), who, pasted.Title, pasted.Provider, pasted.Value)
		if err != nil {
			m.Log.InfoContext(r.Context(), "a pasted key was not stored", "error", err)
			return &refusedKey{Step: step.ID, Err: err}
		}
		step.Credential = &v1alpha1.Credential{VaultKeyRef: &v1alpha1.VaultKeyRef{Name: key.Name}}
	}
	return nil
}

// showRefusedKey shows the step again, and why its key was not stored.
func (m *Module) showRefusedKey(w http.ResponseWriter, l loaded, refused *refusedKey) error {
	message := "flash.key-not-stored"
	if known, ok := errors.AsType[*server.Error](refused.Err); ok && known.Status < http.StatusInternalServerError {
		message = known.Message
	}
	m.Site.SetFlash(w, message)
	server.Redirect(w, editorPath(l, refused.Step, refused.Step))
	return nil
}

// action is what a button of the outline does.
type action struct {
	Verb string
	// Step it is about, and the port of it.
	Step, Port string
	// Type of a step to be added.
	Type string
}

// parseAction reads a button's value: VERB, VERB:STEP, VERB:STEP/PORT, or
// quick:TYPE.
func parseAction(text string) action {
	verb, rest, _ := strings.Cut(text, ":")
	if verb == "quick" {
		return action{Verb: verb, Type: rest}
	}
	step, port, _ := strings.Cut(rest, "/")
	return action{Verb: verb, Step: step, Port: port}
}

// editOutline changes the flow as the pressed button says. It returns the step
// to look at next, and why the edit was refused, if it was.
func (m *Module) editOutline(form url.Values, spec *v1alpha1.FlowSpec, a action) (string, error) {
	switch a.Verb {
	case "quick":
		return m.editor.Add(spec, a.Type)
	case "add":
		return m.addStep(form, spec, a)
	case "up", "down":
		return a.Step, m.editor.Move(spec, a.Step, a.Verb == "up")
	case "delete":
		return "", m.editor.Delete(spec, a.Step)
	case "connect":
		from, port, _ := strings.Cut(form.Get("connect."+a.Step), "/")
		if from == "" {
			return a.Step, nil
		}
		return a.Step, m.editor.Connect(spec, outline.End{Step: from, Port: port}, outline.End{Step: a.Step})
	case "disconnect":
		return "", m.editor.Disconnect(spec, a.Step)
	case "more", "open":
		return a.Step, nil
	}
	return "", nil
}

func (m *Module) addStep(form url.Values, spec *v1alpha1.FlowSpec, a action) (string, error) {
	stepType := form.Get("add." + strings.TrimPrefix(strings.TrimSuffix(a.Step+"/"+a.Port, "/"), "/"))
	if stepType == "" {
		return a.Step, nil
	}
	if a.Step == "" {
		return m.editor.Add(spec, stepType)
	}
	return m.editor.AddAfter(spec, outline.End{Step: a.Step, Port: a.Port}, stepType)
}
