package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// createRequest is the body of a creation; all of it may be absent.
type createRequest struct {
	Template string `json:"template"`
	Name     string `json:"name"`
}

// createTries bounds the names that are tried where two creations meet.
const createTries = 5

// maxTitle is the longest name of a flow, in characters.
const maxTitle = 120

// maxSlug is the longest name of a Flow object.
const maxSlug = 50

func (m *Module) create(w http.ResponseWriter, r *http.Request) error {
	who, err := subject(r)
	if err != nil {
		return err
	}
	request, err := server.Bind[createRequest](r)
	if err != nil {
		return err
	}
	if name := r.URL.Query().Get("template"); name != "" {
		request.Template = name
	}
	body, err := m.fromTemplate(r, request)
	if err != nil {
		return err
	}
	created, err := m.add(r.Context(), who, body)
	if err != nil {
		return err
	}
	doc := created.document()
	return m.Site.Reply(w, r, server.Result{
		Body: FlowResponse{Success: success, Message: "Flow created successfully", Flow: doc}, Location: "/flow/" + doc.ID,
	})
}

func (m *Module) fromTemplate(r *http.Request, request createRequest) (Body, error) {
	if request.Template == "" {
		request.Template = BlankTemplate
	}
	template, ok := FindTemplate(request.Template, m.language(r))
	if !ok {
		return Body{}, server.Invalid(server.FieldError{Field: "template", Code: server.CodeUnknown, Message: "There is no template of that name."})
	}
	body := Body{Spec: *template.Spec.DeepCopy(), Input: template.Input}
	if name := strings.TrimSpace(request.Name); name != "" {
		body.Spec.Title = name
	}
	if utf8.RuneCountInString(body.Spec.Title) > maxTitle || strings.ContainsRune(body.Spec.Title, 0) {
		return Body{}, server.Invalid(server.FieldError{Field: "name", Code: server.CodeTooLarge, Message: "Choose a name of at most 120 characters."})
	}
	return body, nil
}

// language of the templates, as the pages say.
func (m *Module) language(r *http.Request) string {
	if m.Views == nil {
		return "en"
	}
	return m.Views.Text(r, "language")
}

// add makes a flow with a name of its own.
func (m *Module) add(ctx context.Context, who identity.Subject, body Body) (loaded, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return loaded{}, fmt.Errorf("encoding a draft: %w", err)
	}
	for range createTries {
		taken, err := m.takenNames(ctx, who)
		if err != nil {
			return loaded{}, err
		}
		flow, err := m.Store.CreateFlow(ctx, who.Workspace.ID, store.NewFlow{
			ID: uuid.New(), Name: freeSlug(body.Spec.Title, taken), Title: body.Spec.Title, UserID: who.UserID, Draft: encoded,
		})
		switch {
		case err == nil:
			return loaded{stored: stored{Who: who, Flow: flow}, Body: body, Revision: 1}, nil
		case errors.Is(err, store.ErrTooMany):
			return loaded{}, server.Conflict(fmt.Sprintf("You have %d flows, which is as many as there may be. Delete one first.", store.MaxFlows))
		case !errors.Is(err, store.ErrConflict):
			return loaded{}, err
		}
	}
	return loaded{}, server.Conflict("The name of the flow is being taken by others. Please try again.")
}

// takenNames returns the names of the workspace's flows, here and in the
// cluster. Without the cluster the latter are found out at the first save.
func (m *Module) takenNames(ctx context.Context, who identity.Subject) ([]string, error) {
	names, err := m.Store.FlowNames(ctx, who.Workspace.ID)
	if err != nil {
		return nil, err
	}
	objects, err := m.cluster.List(ctx, who.Workspace.Name)
	if err != nil {
		m.Log.DebugContext(ctx, "listing the names of flows", "error", err)
	}
	for name := range objects {
		names = append(names, name)
	}
	return names, nil
}

// freeSlug makes an address-friendly name of a title.
func freeSlug(title string, taken []string) string {
	base := slug(title)
	name := base
	for n := 2; slices.Contains(taken, name); n++ {
		suffix := fmt.Sprintf("-%d", n)
		name = strings.TrimRight(base[:min(len(base), maxSlug-len(suffix))], "-") + suffix
	}
	return name
}

// plain letters for the accented ones of the languages that we have pages in.
var plainLetters = strings.NewReplacer(
	"á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "ï", "i",
	"ó", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "ü", "u", "ñ", "n", "ç", "c", "ß", "ss",
)

func slug(title string) string {
	var b strings.Builder
	for _, c := range plainLetters.Replace(strings.ToLower(title)) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := b.String()
	if name == "" || name[0] < 'a' {
		name = "flow-" + name
	}
	return strings.Trim(name[:min(len(name), maxSlug)], "-")
}

func (m *Module) duplicate(w http.ResponseWriter, r *http.Request) error {
	if err := empty(r); err != nil {
		return err
	}
	l, err := m.load(r)
	if err != nil {
		return err
	}
	body := Body{Spec: *l.Body.Spec.DeepCopy(), Input: l.Body.Input}
	body.Spec.Title = shorten(body.Spec.Title, maxTitle-len(" (copy)")) + " (copy)"
	// A copy is nobody's to call until its owner says so.
	body.Spec.Exposure.Visibility = v1alpha1.VisibilityPrivate
	body.Spec.Exposure.Host = ""
	created, err := m.add(r.Context(), l.Who, body)
	if err != nil {
		return err
	}
	doc := created.document()
	return m.Site.Reply(w, r, server.Result{
		Body: FlowResponse{Success: success, Message: "Flow duplicated successfully", Flow: doc}, Location: "/flow/" + doc.ID,
	})
}

func shorten(text string, length int) string {
	if utf8.RuneCountInString(text) <= length {
		return text
	}
	return string([]rune(text)[:length])
}
