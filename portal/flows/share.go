package flows

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/components/start"
	"github.com/weft-run/weft/runtime/graph"
)

// ShareResponse says who may call a flow.
type ShareResponse struct {
	Success    string              `json:"success"`
	Visibility v1alpha1.Visibility `json:"visibility"`
	URL        string              `json:"url"`
	Status     Status              `json:"status"`
}

func (m *Module) share(w http.ResponseWriter, r *http.Request) error {
	view, err := m.shareView(r)
	if err != nil {
		return err
	}
	if server.WantsHTML(r) && m.Views != nil {
		return m.Views.Share(w, r, view)
	}
	return server.JSON(w, http.StatusOK, ShareResponse{Success: success, Visibility: view.Visibility, URL: view.URL, Status: view.Status})
}

// shareView gathers what the page needs, for flows of the portal and of the
// cluster alike.
func (m *Module) shareView(r *http.Request) (ShareView, error) {
	who, err := subject(r)
	if err != nil {
		return ShareView{}, err
	}
	object, err := m.clusterOnly(r)
	if err != nil {
		return ShareView{}, err
	}
	if object != nil {
		keys, err := m.Store.ListClusterEndpointKeys(r.Context(), who.Workspace.ID, object.Name)
		summary := clusterSummary(object)
		return ShareView{
			ID: object.Name, Name: summary.Name, URL: summary.URL, Status: summary.Status, Visibility: summary.Exposure,
			Saved: true, Exposable: graph.Exposable(&object.Spec, m.Catalog), Keys: keys,
			Sample: m.sample(Body{Spec: object.Spec}), Managed: true,
		}, err
	}
	l, err := m.load(r)
	if err != nil {
		return ShareView{}, err
	}
	keys, err := m.Store.ListEndpointKeys(r.Context(), who.Workspace.ID, l.Flow.ID)
	doc := l.document()
	return ShareView{
		ID: doc.ID, Name: doc.Name, URL: doc.URL, Status: doc.Status, Visibility: visibilityOf(&l.Body.Spec),
		Saved: l.Flow.CurrentVersion > 0, Exposable: graph.Exposable(&l.Body.Spec, m.Catalog), Keys: keys,
		Sample: m.sample(l.Body), Managed: doc.ReadOnly != "",
	}, err
}

// sample returns a body that the flow takes: what its author tried it with, or
// its fields with a word in each.
func (m *Module) sample(body Body) string {
	var input any = "Hello"
	if form, _ := Input(&body.Spec, m.Catalog); len(form.Fields) > 0 {
		values := map[string]any{}
		for _, field := range form.Fields {
			values[field.Name] = sampleValue(field)
		}
		input = values
	}
	if len(body.Input) > 0 && len(body.Input) < 1000 {
		var tried any
		if json.Unmarshal(body.Input, &tried) == nil {
			input = tried
		}
	}
	data, err := json.Marshal(map[string]any{"input": input})
	if err != nil {
		return `{"input":"Hello"}`
	}
	return string(data)
}

func sampleValue(field start.FormField) any {
	switch field.Type {
	case start.TypeNumber:
		return 1
	case start.TypeBoolean:
		return true
	case start.TypeDate:
		return "2026-01-31"
	case start.TypeEmail:
		return "name@example.com"
	case start.TypeURL:
		return "https://example.com"
	case start.TypeSelect:
		if len(field.Options) > 0 {
			return field.Options[0]
		}
	}
	return "Hello"
}

// visibilityRequest says who may call.
type visibilityRequest struct {
	Visibility string `json:"visibility"`
}

// Validate checks the fields.
func (v *visibilityRequest) Validate() []server.FieldError {
	known := []string{string(v1alpha1.VisibilityPrivate), string(v1alpha1.VisibilityTeam), string(v1alpha1.VisibilityPublic)}
	if !slices.Contains(known, v.Visibility) {
		return []server.FieldError{{Field: "visibility", Code: server.CodeInvalid, Message: "Choose Private, Team or Public."}}
	}
	return nil
}

// visibility changes who may call. A flow that was saved is changed in the
// cluster at once, as it was saved; the draft keeps its other changes.
func (m *Module) visibility(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	request, err := server.Bind[visibilityRequest](r)
	if err != nil {
		return err
	}
	if err := m.mayPublish(r, l.stored); err != nil {
		return err
	}
	l, err = m.setVisibility(r, l, v1alpha1.Visibility(request.Visibility))
	if err != nil {
		return m.answerConflict(w, r, err)
	}
	return m.Site.Reply(w, r, server.Result{
		Body:     FlowResponse{Success: success, Message: "Visibility changed successfully", Flow: l.document()},
		Location: "/flow/" + l.Flow.ID.String() + "/share", Message: "flash.visibility",
	})
}

// mayPublish lets only the owner of a workspace say who may call.
func (m *Module) mayPublish(r *http.Request, s stored) error {
	role, err := m.Store.MemberRole(r.Context(), s.Who.UserID, s.Who.Workspace.ID)
	if err != nil {
		return err
	}
	if role != "owner" {
		return server.Forbidden("Only the owner of the team can say who may call its flows.")
	}
	return nil
}

func (m *Module) setVisibility(r *http.Request, l loaded, visibility v1alpha1.Visibility) (loaded, error) {
	body := l.Body
	body.Spec.Exposure.Visibility = visibility
	if l.Flow.CurrentVersion == 0 {
		err := m.keep(r, &l, body, l.Revision)
		return l, err
	}
	version, err := m.Store.Version(r.Context(), l.Who.Workspace.ID, l.Flow.ID, l.Flow.CurrentVersion)
	if err != nil {
		return l, err
	}
	saved := Body{Input: l.Body.Input}
	if err := json.Unmarshal(version.Body, &saved.Spec); err != nil {
		return l, fmt.Errorf("reading version %d: %w", version.Number, err)
	}
	saved.Spec.Exposure.Visibility = visibility
	fresh, err := m.store(r, l, saved, savePlan{Revision: l.Revision, Note: "visibility: " + string(visibility)})
	if err != nil {
		return l, err
	}
	err = m.keep(r, &fresh, body, fresh.Revision)
	return fresh, err
}

// EndpointKeyInfo is an endpoint key as far as anybody may see it.
type EndpointKeyInfo struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Last4      string     `json:"last4"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
}

// EndpointKeysResponse lists endpoint keys.
type EndpointKeysResponse struct {
	Success string            `json:"success"`
	Keys    []EndpointKeyInfo `json:"keys"`
}

func (m *Module) listEndpointKeys(w http.ResponseWriter, r *http.Request) error {
	view, err := m.shareView(r)
	if err != nil {
		return err
	}
	answer := EndpointKeysResponse{Success: success, Keys: make([]EndpointKeyInfo, len(view.Keys))}
	for i, k := range view.Keys {
		answer.Keys[i] = EndpointKeyInfo{
			ID: k.ID.String(), Name: k.Title, Last4: k.Last4, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt,
		}
	}
	return server.JSON(w, http.StatusOK, answer)
}

// endpointKeyRequest asks for an endpoint key.
type endpointKeyRequest struct {
	Name string `json:"name"`
	// Days until it expires. 0: it does not.
	Days int64 `json:"days"`
}

// Validate checks and tidies the fields.
func (k *endpointKeyRequest) Validate() []server.FieldError {
	k.Name = strings.TrimSpace(k.Name)
	var problems []server.FieldError
	if k.Name == "" {
		k.Name = "Endpoint key"
	}
	if len([]rune(k.Name)) > maxTitle || strings.ContainsRune(k.Name, 0) {
		problems = append(problems, server.FieldError{Field: "name", Code: server.CodeTooLarge, Message: "Choose a name of at most 120 characters."})
	}
	if k.Days < 0 || k.Days > 3650 {
		problems = append(problems, server.FieldError{Field: "days", Code: server.CodeInvalid, Message: "Choose between 0 (for ever) and 3650 days."})
	}
	return problems
}

// EndpointKeyResponse shows a new endpoint key, this once.
type EndpointKeyResponse struct {
	Success string `json:"success"`
	Message string `json:"message"`
	ID      string `json:"id"`
	Key     string `json:"key"`
}

// newEndpointKey returns a key of 256 random bits.
func newEndpointKey() string {
	return "wk_" + strings.ToLower(rand.Text()+rand.Text())
}

func (m *Module) createEndpointKey(w http.ResponseWriter, r *http.Request) error {
	who, err := subject(r)
	if err != nil {
		return err
	}
	view, err := m.shareView(r)
	if err != nil {
		return err
	}
	request, err := server.Bind[endpointKeyRequest](r)
	if err != nil {
		return err
	}
	key := newEndpointKey()
	hash := sha256.Sum256([]byte(key))
	record := store.NewEndpointKey{
		WorkspaceID: who.Workspace.ID, Title: request.Name, Hash: hash[:], Last4: key[len(key)-4:], CreatedBy: who.UserID, Actor: who.Actor(),
	}
	if request.Days > 0 {
		expires := m.Now().Add(time.Duration(request.Days) * 24 * time.Hour)
		record.ExpiresAt = &expires
	}
	id, err := m.addEndpointKey(r, view.ID, record)
	if errors.Is(err, store.ErrConflict) {
		return server.Conflict("The flow has as many endpoint keys as it may have. Revoke one first.")
	}
	if err != nil {
		return err
	}
	if isForm(r) && server.WantsHTML(r) && m.Views != nil {
		return m.showNewKey(w, r, key)
	}
	return server.JSON(w, http.StatusOK, EndpointKeyResponse{Success: success, Message: "Endpoint key created successfully. It is shown only now.", ID: id.String(), Key: key})
}

func (m *Module) addEndpointKey(r *http.Request, id string, record store.NewEndpointKey) (uuid.UUID, error) {
	flow, err := uuid.Parse(id)
	if err != nil {
		return m.Store.CreateClusterEndpointKey(r.Context(), record, id)
	}
	record.FlowID = flow
	return m.Store.CreateEndpointKey(r.Context(), record)
}

// showNewKey shows the page with the key in the answer itself: it is kept
// nowhere, so no redirect could show it.
func (m *Module) showNewKey(w http.ResponseWriter, r *http.Request, key string) error {
	view, err := m.shareView(r)
	if err != nil {
		return err
	}
	view.NewKey = key
	return m.Views.Share(w, r, view)
}

func (m *Module) revokeEndpointKey(w http.ResponseWriter, r *http.Request) error {
	if err := empty(r); err != nil {
		return err
	}
	who, err := subject(r)
	if err != nil {
		return err
	}
	view, err := m.shareView(r)
	if err != nil {
		return err
	}
	key, err := uuid.Parse(r.PathValue("key"))
	if err != nil {
		return server.NotFound()
	}
	if flow, parseErr := uuid.Parse(view.ID); parseErr == nil {
		err = m.Store.RevokeEndpointKey(r.Context(), who.Workspace.ID, flow, key, who.Actor())
	} else {
		err = m.Store.RevokeClusterEndpointKey(r.Context(), who.Workspace.ID, view.ID, key, who.Actor())
	}
	if err != nil {
		return err
	}
	return m.Site.Reply(w, r, server.Result{
		Body: Answer{Success: success, Message: "Endpoint key revoked successfully"}, Location: "/flow/" + view.ID + "/share", Message: "flash.key-revoked",
	})
}
