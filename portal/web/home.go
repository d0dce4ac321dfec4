package web

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/vault"
)

const (
	recentFlows = 6
	maxKeys     = 200
)

// homePage is the start page.
type homePage struct {
	Templates []flows.Template
	Recent    []flowRow
	// Attention lists the recent flows that need their owner.
	Attention []flowRow
	HasKeys   bool
}

func (s *Site) home(w http.ResponseWriter, r *http.Request, pager FlowPager) error {
	who, ok := identity.FromContext(r.Context())
	if !ok {
		return server.Unauthorized("Please sign in first.")
	}
	l := s.language(r)
	body := homePage{HasKeys: true}
	templates, err := flows.Templates(l.code)
	if err != nil {
		return err
	}
	for _, t := range templates {
		if t.Name != flows.BlankTemplate {
			body.Templates = append(body.Templates, t)
		}
	}
	recent, _, err := pager.Page(r, who, store.FlowCursor{}, recentFlows)
	if err != nil {
		return err
	}
	body.Recent, body.Attention = l.recent(recent)
	if keys, err := s.Keys.List(r.Context(), who.Workspace.ID, nil, 1); err == nil {
		body.HasKeys = len(keys) > 0
	}
	return s.render(w, r, page{Name: "home", Here: "home", Title: l.words.text("nav.home"), Body: body})
}

func (l *language) recent(summaries []flows.Summary) (rows, attention []flowRow) {
	for _, summary := range summaries {
		row := l.flowRow(summary)
		rows = append(rows, row)
		if summary.Status.State == flows.PhaseFailed || summary.Status.State == flows.PhaseConflict {
			attention = append(attention, row)
		}
	}
	return rows[:min(len(rows), recentFlows)], attention
}

// keysBody is the page of keys.
type keysBody struct {
	formPage
	Keys      []keyRow
	Providers []option
	// Away: the vault does not answer.
	Away bool
}

type keyRow struct {
	vault.Key
	Uses []store.KeyUse
}

// option of a select control.
type option struct {
	Value, Label string
	Selected     bool
	Help         string
}

func (s *Site) keysPage(w http.ResponseWriter, r *http.Request) error {
	return s.showKeys(w, r, server.Problem{})
}

func (s *Site) showKeys(w http.ResponseWriter, r *http.Request, p server.Problem) error {
	who, ok := identity.FromContext(r.Context())
	if !ok {
		return server.Unauthorized("Please sign in first.")
	}
	l := s.language(r)
	body := keysBody{formPage: l.newFormPage(p)}
	body.Providers = s.providers(l, body.Form.Get("provider"))
	if p.Err != nil && len(p.Err.Fields) > 0 && !body.Form.Has("name") {
		// A form without a name replaces a key further down the page.
		body.Message, body.wrong = l.words.text(p.Err.Message), nil
	}
	keys, err := s.Keys.List(r.Context(), who.Workspace.ID, nil, maxKeys)
	if err != nil {
		s.Log.WarnContext(r.Context(), "listing keys", "error", err)
		body.Away = true
	}
	body.Keys, err = s.keyRows(r, who.Workspace.ID, keys)
	if err != nil {
		return err
	}
	return s.render(w, r, page{Name: "keys", Here: "keys", Title: l.words.text("keys.title"), Status: statusOf(p), Body: body})
}

func (s *Site) keyRows(r *http.Request, workspace uuid.UUID, keys []vault.Key) ([]keyRow, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	uses, err := s.KeyUses.KeyUses(r.Context(), workspace)
	if err != nil {
		return nil, err
	}
	byKey := map[string][]store.KeyUse{}
	for _, use := range uses {
		byKey[use.Key] = append(byKey[use.Key], use)
	}
	rows := make([]keyRow, len(keys))
	for i, key := range keys {
		rows[i] = keyRow{Key: key, Uses: byKey[key.Reference]}
	}
	return rows, nil
}

// providers lists the kinds of keys that steps use. Without a choice the vault
// finds the kind out by the key's shape.
func (s *Site) providers(l *language, chosen string) []option {
	options := []option{{Value: "", Label: l.words.text("keys.any-provider"), Selected: chosen == ""}}
	seen := map[string]bool{}
	for _, component := range s.Catalog.All() {
		c := component.Credential
		if c == nil || seen[c.Provider] {
			continue
		}
		seen[c.Provider] = true
		options = append(options, option{Value: c.Provider, Label: l.words.or("key."+c.Provider, c.Title), Selected: chosen == c.Provider})
	}
	return options
}

// flowRow is a flow in a list.
type flowRow struct {
	ID, Name, Href, URL string
	Status              statusView
	// Visibility is empty for private flows.
	Visibility string
	ReadOnly   string
	ChangedAt  time.Time
}

func (l *language) flowRow(f flows.Summary) flowRow {
	row := flowRow{
		ID: f.ID, Name: f.Name, Href: "/flow/" + f.ID, URL: f.URL, Status: l.statusView(f.Status), ReadOnly: f.ReadOnly, ChangedAt: f.Timestamp.Time,
	}
	if row.Name == "" {
		row.Name = f.Slug
	}
	if f.Exposure != "" && f.Exposure != privateVisibility {
		row.Visibility = l.words.text("visibility." + string(f.Exposure))
	}
	return row
}
