package web

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/flows/drawing"
)

const privateVisibility = v1alpha1.VisibilityPrivate

// statusView is a status for people.
type statusView struct {
	// Dot is the kind of dot: ready, wait, bad or draft.
	Dot   string
	Label string
	// Message says more, in one line.
	Message string
	// Detail is Message where a person should read it without asking.
	Detail string
}

func (l *language) statusView(s flows.Status) statusView {
	v := statusView{Dot: "wait", Label: l.words.text("status." + string(s.State)), Message: l.words.text(s.Message)}
	switch s.State {
	case flows.PhaseReady:
		v.Dot = "ready"
	case flows.PhaseDraft, flows.PhasePaused, flows.PhaseSaved:
		v.Dot = "draft"
	case flows.PhaseFailed, flows.PhaseConflict:
		v.Dot, v.Detail = "bad", v.Message
	case flows.PhaseWaiting, flows.PhaseProgressing, flows.PhaseUnknown:
		v.Detail = v.Message
	}
	return v
}

// refreshStatus is when a page looks again at a status that will not last.
const refreshStatus = 4

// passing says whether a status will change by itself, soon.
func passing(s flows.Status) bool {
	return s.State == flows.PhaseProgressing || s.State == flows.PhaseWaiting
}

// flowList is the list of flows.
type flowList struct {
	Flows   []flowRow
	After   string
	Deleted string
}

// FlowList renders the list of flows. It is part of flows.Views.
func (s *Site) FlowList(w http.ResponseWriter, r *http.Request, v flows.ListView) error {
	l := s.language(r)
	body := flowList{After: v.After, Deleted: v.Deleted}
	for _, summary := range v.Flows {
		body.Flows = append(body.Flows, l.flowRow(summary))
	}
	p := page{Name: hereFlows, Here: hereFlows, Title: l.words.text("flows.title"), Body: body}
	if slices.ContainsFunc(v.Flows, func(f flows.Summary) bool { return passing(f.Status) }) {
		p.Refresh = refreshStatus
	}
	return s.render(w, r, p)
}

// clusterFlow is a flow that is kept elsewhere.
type clusterFlow struct {
	Row     flowRow
	YAML    string
	Drawing template.HTML
}

// ClusterFlow renders a flow that somebody keeps with kubectl. It is part of
// flows.Views.
func (s *Site) ClusterFlow(w http.ResponseWriter, r *http.Request, v flows.ClusterView) error {
	l := s.language(r)
	body := clusterFlow{Row: l.flowRow(v.Summary), YAML: v.YAML, Drawing: s.draw(l, v.Spec, nil, "")}
	return s.render(w, r, page{Name: "clusterflow", Here: hereFlows, Title: body.Row.Name, Body: body})
}

// draw draws a flow. Boxes lead to the settings of their step on the page.
func (s *Site) draw(l *language, spec *v1alpha1.FlowSpec, marked map[string]bool, path string) template.HTML {
	return drawing.SVG(spec, drawing.Options{
		Title:      l.words.text("flow.drawing"),
		Kind:       func(stepType string) (string, string) { return s.kind(l, stepType) },
		Port:       ports{site: s, l: l, spec: spec}.title,
		Href:       func(id string) string { return path + "#step-" + id },
		Marked:     marked,
		MarkedText: l.words.text("flow.has-problem"),
	})
}

// kind returns a step type's title and group.
func (s *Site) kind(l *language, stepType string) (title, group string) {
	component, ok := s.Catalog.Lookup(stepType)
	if !ok {
		return stepType, ""
	}
	return l.words.or("step."+stepType+".title", component.Title), string(component.Group)
}

// conflictBody is two versions of a flow.
type conflictBody struct {
	flows.ConflictView
	Text                   string
	MineLines, TheirsLines []line
}

// line of a text; Other says that the other text does not have it.
type line struct {
	Text  string
	Other bool
}

// compare marks the lines of a text that another one does not have.
func compare(text, other string) []line {
	there := map[string]bool{}
	for l := range strings.SplitSeq(other, "\n") {
		there[l] = true
	}
	var lines []line
	for l := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		lines = append(lines, line{Text: l, Other: !there[l]})
	}
	return lines
}

// Conflict renders two versions of a flow. It is part of flows.Views.
func (s *Site) Conflict(w http.ResponseWriter, r *http.Request, v flows.ConflictView) error {
	l := s.language(r)
	body := conflictBody{
		ConflictView: v, Text: l.words.text(v.Message), MineLines: compare(v.Mine, v.Theirs), TheirsLines: compare(v.Theirs, v.Mine),
	}
	return s.render(w, r, page{Name: "conflict", Here: hereFlows, Status: http.StatusConflict, Title: l.words.text("conflict.title"), Body: body})
}

// shareBody says who may call a flow.
type shareBody struct {
	flows.ShareView
	State   statusView
	Choices []option
	Curl    string
}

// Share renders who may call a flow. It is part of flows.Views.
func (s *Site) Share(w http.ResponseWriter, r *http.Request, v flows.ShareView) error {
	l := s.language(r)
	body := shareBody{ShareView: v, State: l.statusView(v.Status), Curl: curl(v.URL, v.Sample, v.Visibility)}
	for _, visibility := range []v1alpha1.Visibility{v1alpha1.VisibilityPrivate, v1alpha1.VisibilityTeam, v1alpha1.VisibilityPublic} {
		body.Choices = append(body.Choices, option{
			Value: string(visibility), Selected: v.Visibility == visibility,
			Label: l.words.text("visibility." + string(visibility)), Help: l.words.text("visibility." + string(visibility) + "-help"),
		})
	}
	p := page{Name: "share", Here: hereFlows, Title: l.words.text("share.title"), Body: body}
	if passing(v.Status) && v.URL == "" && v.NewKey == "" {
		p.Refresh = refreshStatus
	}
	return s.render(w, r, p)
}

// curl is a command that calls the flow.
func curl(url, sample string, visibility v1alpha1.Visibility) string {
	if url == "" {
		return ""
	}
	lines := []string{"curl -X POST " + shellQuote(url)}
	if visibility != v1alpha1.VisibilityPublic {
		lines = append(lines, "  -H 'Authorization: Bearer wk_…'")
	}
	lines = append(lines, "  -H 'Content-Type: application/json'", "  -d "+shellQuote(sample))
	return strings.Join(lines, " \\\n")
}

// shellQuote makes one word of a text for a shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// History renders the saved versions. It is part of flows.Views.
func (s *Site) History(w http.ResponseWriter, r *http.Request, v flows.HistoryView) error {
	return s.render(w, r, page{Name: "history", Here: hereFlows, Title: s.language(r).words.text("history.title"), Body: v})
}
