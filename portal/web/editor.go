package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/portal/flows/stepform"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/start"
	"github.com/weft-run/weft/runtime/expr"
	"github.com/weft-run/weft/runtime/graph"
)

const (
	mainPort = catalog.MainPort
	// openAll is up to how many steps all settings are open at once.
	openAll = 8
	// maxHints bounds the expressions that are offered below a text.
	maxHints = 12
	// refreshRun is when a page looks again how far a run is.
	refreshRun = 2
)

// editorBody is a flow as an outline.
type editorBody struct {
	ID, Name, Slug string
	Status         statusView
	// StatusNote is what the owner should know of the status, StatusClass how
	// loud.
	StatusNote, StatusClass string
	Unsaved                 bool
	// Passing: the status will change by itself, soon.
	Passing                bool
	ReadOnly               string
	Revision               int64
	Open                   string
	Checked                bool
	Problems               []problemView
	Steps                  []stepView
	Quick                  []quickType
	Input                  []control
	Run                    *runView
	RunGone                bool
	Drawing                template.HTML
	URL, Curl, AddressNote string
	YAML                   string
}

// problemView is a problem in the list above the flow.
type problemView struct{ Anchor, Where, Text string }

// quickType is a step type that a button adds.
type quickType struct{ Type, Title, Summary, Icon string }

// stepView is one step of the outline.
type stepView struct {
	ID, Type, Name, Summary, Icon, Group string
	Number                               int
	First, Last, Open, Wrong             bool
	Errors                               []string
	Key                                  *keyView
	Controls, Advanced                   []control
	AdvancedOpen                         bool
	// Reference is how later steps name this one.
	Reference  string
	TakesInput bool
	Wires      []wireView
	Sources    []option
	// After are the places behind the step, one for each way out of it.
	After  []addChoice
	Result *runStepView
}

// keyView is the choice of a step's key.
type keyView struct {
	ID, Name, Title string
	Required        bool
	Options         []option
	Error           string
	// Paste: the place to paste a new one is open.
	Paste                          bool
	NewName, NewTitleName, Suggest string
}

// wireView is a connection into a step.
type wireView struct{ Edge, From, Port string }

// addChoice adds a step at a place.
type addChoice struct {
	ID, Name, Do string
	// Label of the way out, where the step has several.
	Label  string
	Groups []typeGroup
}

type typeGroup struct {
	Title string
	Types []quickType
}

// Editor renders a flow as an outline. It is part of flows.Views.
func (s *Site) Editor(w http.ResponseWriter, r *http.Request, v flows.EditorView) error {
	l := s.language(r)
	b := &editorBuilder{site: s, l: l, v: v, spec: specOf(v.Document), byStep: map[string]map[string]string{}}
	b.ports = ports{site: s, l: l, spec: b.spec}
	body, err := b.build()
	if err != nil {
		return err
	}
	p := page{Name: "flow", Here: hereFlows, Title: body.Name, Body: body}
	if v.Run != nil && !v.Run.Over() {
		p.Refresh = refreshRun
	}
	return s.render(w, r, p)
}

func specOf(doc flows.Document) *v1alpha1.FlowSpec {
	return &v1alpha1.FlowSpec{Title: doc.Name, Components: doc.Components, Edges: doc.Edges, Exposure: doc.Exposure}
}

type editorBuilder struct {
	site *Site
	l    *language
	v    flows.EditorView
	spec *v1alpha1.FlowSpec
	// byStep holds the problems by step and field.
	byStep map[string]map[string]string
	groups []typeGroup
	ports  ports
}

func (b *editorBuilder) build() (editorBody, error) {
	v, words := b.v, b.l.words
	body := editorBody{
		ID: v.Document.ID, Name: v.Document.Name, Slug: v.Slug, Status: b.l.statusView(v.Document.Status),
		ReadOnly: v.Document.ReadOnly, Revision: v.Document.Revision, Open: v.Open, Checked: v.Checked, RunGone: v.RunGone,
		URL: v.Document.URL, YAML: v.YAML, Quick: b.quick(),
	}
	if body.Name == "" {
		body.Name = v.Slug
	}
	body.Unsaved, body.Passing = v.Document.Status.Unsaved, passing(v.Document.Status)
	body.StatusNote, body.StatusClass = b.statusNote()
	body.Problems = b.problems()
	b.groups = b.typeGroups()
	var err error
	if body.Steps, err = b.steps(); err != nil {
		return editorBody{}, err
	}
	body.Input = b.input()
	body.Drawing = b.site.draw(b.l, b.spec, b.marked(), "")
	body.Run = b.run()
	body.Curl = curl(body.URL, sampleOf(v.Input), visibilityOf(v.Document))
	if body.URL == "" {
		body.AddressNote = words.text(b.addressNote())
	}
	return body, nil
}

func visibilityOf(doc flows.Document) v1alpha1.Visibility { return doc.Exposure.Visibility }

// statusNote is what the owner should read without asking.
func (b *editorBuilder) statusNote() (note, class string) {
	status := b.v.Document.Status
	view := b.l.statusView(status)
	switch {
	case status.State == flows.PhaseFailed || status.State == flows.PhaseConflict:
		return view.Message, "bad"
	case status.State == flows.PhaseWaiting:
		return view.Message, "wait"
	}
	return "", ""
}

func (b *editorBuilder) addressNote() string {
	switch {
	case !graph.Exposable(b.spec, b.site.Catalog):
		return "share.not-exposable"
	case b.v.Document.Status.Version == 0:
		return "share.not-saved"
	default:
		return "share.no-address-yet"
	}
}

// problems lists what is wrong, and files it under its step and field.
func (b *editorBuilder) problems() []problemView {
	views := make([]problemView, 0, len(b.v.Problems))
	for _, p := range b.v.Problems {
		text := b.l.problemText(p)
		view := problemView{Anchor: "step-" + p.Component, Where: b.stepName(p.Component), Text: text}
		if p.Component == "" {
			view.Anchor, view.Where = "outline", b.l.words.text("flow.this-flow")
		}
		views = append(views, view)
		fields := b.byStep[p.Component]
		if fields == nil {
			fields = map[string]string{}
			b.byStep[p.Component] = fields
		}
		field := strings.TrimPrefix(p.Field, "params.")
		if fields[field] == "" {
			fields[field] = text
		}
	}
	return views
}

// problemText translates a problem by its code where the language has a text
// for it: the validator speaks English.
func (l *language) problemText(p graph.Problem) string {
	text := l.words.or("problem-code."+p.Code, p.Message)
	if text == "" {
		return p.Code
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func (b *editorBuilder) marked() map[string]bool {
	marked := map[string]bool{}
	for id := range b.byStep {
		marked[id] = true
	}
	return marked
}

func (b *editorBuilder) stepName(id string) string {
	step, ok := outline.Step(b.spec, id)
	if !ok {
		return id
	}
	if step.Name != "" {
		return step.Name
	}
	title, _ := b.site.kind(b.l, step.Type)
	return title
}

func (b *editorBuilder) steps() ([]stepView, error) {
	steps := make([]stepView, len(b.spec.Components))
	for i := range b.spec.Components {
		view, err := b.step(i)
		if err != nil {
			return nil, err
		}
		steps[i] = view
	}
	return steps, nil
}

func (b *editorBuilder) step(i int) (stepView, error) {
	step := &b.spec.Components[i]
	title, group := b.site.kind(b.l, step.Type)
	view := stepView{
		ID: step.ID, Type: step.Type, Name: b.stepName(step.ID), Icon: stepIcon(step.Type, group), Group: strings.ToLower(group), Summary: title,
		Number: i + 1, First: i == 0, Last: i == len(b.spec.Components)-1, Wrong: len(b.byStep[step.ID]) > 0,
		Open: len(b.spec.Components) <= openAll || b.v.Open == step.ID, Wires: b.wires(step.ID),
	}
	if b.v.Run != nil {
		view.Result = b.l.runStep(b.v.Run.Step(step.ID))
	}
	component, ok := b.site.Catalog.Lookup(step.Type)
	if !ok {
		view.Errors = b.restErrors(step.ID, nil)
		return view, nil
	}
	view.Summary = b.l.words.or("step."+step.Type+".summary", component.Summary)
	if view.Name != title {
		view.Summary = title + " · " + view.Summary
	}
	view.TakesInput = len(component.Inputs) > 0
	if !component.Trigger && !component.Terminal {
		view.Reference = reference(step)
	}
	if view.TakesInput && view.Open {
		view.Sources = b.sources(step.ID)
	}
	if !view.Open {
		view.Errors = b.restErrors(step.ID, nil)
		return view, nil
	}
	view.After = b.after(step, component)
	return view, b.settings(&view, step, component, i)
}

// settings adds the controls.
func (b *editorBuilder) settings(view *stepView, step *v1alpha1.Component, component *catalog.Component, i int) error {
	params, err := flows.Params(step)
	if err != nil {
		return err
	}
	words := func(key, fallback string) string { return b.l.words.or(key, fallback) }
	plain := stepform.Controls(component.Fields, params, flows.ParamPrefix(step.ID), "step."+step.Type, words)
	shown := map[string]bool{"credential": true}
	for _, c := range b.l.decorate(plain, b.byStep[step.ID], b.hints(i)) {
		markShown(shown, c)
		if c.Advanced {
			view.Advanced = append(view.Advanced, c)
			view.AdvancedOpen = view.AdvancedOpen || c.Error != ""
		} else {
			view.Controls = append(view.Controls, c)
		}
	}
	if component.Credential != nil {
		view.Key = b.key(step, component.Credential)
	}
	view.Errors = b.restErrors(step.ID, shown)
	return nil
}

func markShown(shown map[string]bool, c control) {
	shown[c.Field] = true
	for _, entry := range c.Entries {
		for _, inner := range entry {
			markShown(shown, inner)
		}
	}
}

// restErrors are the problems of a step that no control shows.
func (b *editorBuilder) restErrors(id string, shown map[string]bool) []string {
	var rest []string
	for field, text := range b.byStep[id] {
		inKey := shown != nil && strings.HasPrefix(field, "credential")
		if !shown[field] && !inKey {
			rest = append(rest, text)
		}
	}
	slices.Sort(rest)
	return rest
}

func (b *editorBuilder) key(step *v1alpha1.Component, spec *catalog.CredentialSpec) *keyView {
	prefix := flows.StepPrefix(step.ID)
	view := &keyView{
		ID: htmlID(prefix + "key"), Name: prefix + "key", Required: spec.Required,
		Title:   b.l.words.or("key."+spec.Provider, spec.Title),
		NewName: prefix + "newkey", NewTitleName: prefix + "newkeyname",
	}
	view.Suggest = view.Title
	chosen := flows.KeyChoice(step.Credential)
	view.Options = b.keyOptions(chosen, spec.Provider)
	view.Paste = len(view.Options) == 1
	for field, text := range b.byStep[step.ID] {
		if strings.HasPrefix(field, "credential") {
			view.Error = text
		}
	}
	return view
}

// keyOptions offers the keys of the provider first, then the others.
func (b *editorBuilder) keyOptions(chosen, provider string) []option {
	none := flows.KeyChoice(nil)
	options := []option{{Value: none, Label: b.l.words.text("flow.no-key"), Selected: chosen == none}}
	known := chosen == none
	for _, own := range []bool{true, false} {
		for _, key := range b.v.Keys {
			if (key.Provider == provider) != own {
				continue
			}
			o := option{Value: flows.VaultChoice(key.Name), Label: key.Title}
			if key.Last4 != "" {
				o.Label += " (…" + key.Last4 + ")"
			}
			o.Selected = o.Value == chosen
			known = known || o.Selected
			options = append(options, o)
		}
	}
	if !known {
		options = append(options, option{Value: chosen, Label: chosen, Selected: true})
	}
	return options
}

func (b *editorBuilder) wires(id string) []wireView {
	var wires []wireView
	for _, edge := range outline.Into(b.spec, id) {
		wires = append(wires, wireView{Edge: edge.ID, From: b.stepName(edge.Origin), Port: b.ports.title(edge.Origin, edge.OriginPort)})
	}
	return wires
}

// sources are the ways out of other steps that may lead into the step.
func (b *editorBuilder) sources(id string) []option {
	var options []option
	for i := range b.spec.Components {
		from := b.spec.Components[i].ID
		if outline.Reaches(b.spec, id, from) {
			continue
		}
		for j, port := range b.ports.of(from) {
			o := option{Value: from + "/" + port.Name, Label: b.stepName(from)}
			if j > 0 || port.Name != mainPort {
				o.Label += " (" + b.ports.name(from, port) + ")"
			}
			options = append(options, o)
		}
	}
	return options
}

// after offers to add a step behind each way out. Where the ways differ only in
// what they tell, such as the tokens of an answer, the first is enough.
func (b *editorBuilder) after(step *v1alpha1.Component, component *catalog.Component) []addChoice {
	if component.Terminal || len(component.Outputs) == 0 {
		return nil
	}
	if component.Outputs[0].Name == mainPort {
		return []addChoice{{ID: htmlID("add-" + step.ID), Name: "add." + step.ID, Do: "add:" + step.ID, Groups: b.groups}}
	}
	choices := make([]addChoice, len(component.Outputs))
	for i, port := range component.Outputs {
		place := step.ID + "/" + port.Name
		choices[i] = addChoice{
			ID: htmlID("add-" + step.ID + "-" + port.Name), Name: "add." + place, Do: "add:" + place,
			Label: b.ports.name(step.ID, port), Groups: b.groups,
		}
	}
	return choices
}

// quick lists the step types.
func (b *editorBuilder) quick() []quickType {
	all := b.site.Catalog.All()
	types := make([]quickType, len(all))
	for i, component := range all {
		title, group := b.site.kind(b.l, component.Type)
		types[i] = quickType{
			Type: component.Type, Title: title, Icon: stepIcon(component.Type, group),
			Summary: b.l.words.or("step."+component.Type+".summary", component.Summary),
		}
	}
	return types
}

// typeGroups lists what can stand behind another step.
func (b *editorBuilder) typeGroups() []typeGroup {
	var groups []typeGroup
	for _, component := range b.site.Catalog.All() {
		if component.Trigger {
			continue
		}
		title := b.l.words.text("group." + string(component.Group))
		if len(groups) == 0 || groups[len(groups)-1].Title != title {
			groups = append(groups, typeGroup{Title: title})
		}
		name, _ := b.site.kind(b.l, component.Type)
		last := &groups[len(groups)-1]
		last.Types = append(last.Types, quickType{Type: component.Type, Title: name})
	}
	return groups
}

// hints are the expressions that a step may use: the fields of the start, and
// the steps before it.
func (b *editorBuilder) hints(i int) []string {
	var hints []string
	if i > 0 {
		hints = b.inputHints()
	}
	for j := i - 1; j >= 0 && len(hints) < maxHints; j-- {
		step := &b.spec.Components[j]
		component, ok := b.site.Catalog.Lookup(step.Type)
		leads := outline.Reaches(b.spec, step.ID, b.spec.Components[i].ID)
		if ok && leads && !component.Trigger && !component.Terminal {
			hints = append(hints, reference(step))
		}
	}
	return hints
}

func (b *editorBuilder) inputHints() []string {
	form, ok := flows.Input(b.spec, b.site.Catalog)
	if !ok {
		return nil
	}
	var hints []string
	for _, field := range form.Fields {
		if len(hints) < maxHints && field.Name != "" {
			hints = append(hints, "{{ input."+field.Name+" }}")
		}
	}
	if len(hints) == 0 {
		return []string{"{{ input }}"}
	}
	return hints
}

// reference is how a text names the value of a step.
func reference(step *v1alpha1.Component) string {
	name := step.Name
	if name == "" {
		name = step.Type
	}
	if identifier := expr.Identifier(name); identifier != "" {
		return "{{ " + identifier + " }}"
	}
	return "{{ step[" + strconv.Quote(step.ID) + "] }}"
}

// input makes the controls of the test pane.
func (b *editorBuilder) input() []control {
	form, ok := flows.Input(b.spec, b.site.Catalog)
	if !ok {
		return nil
	}
	if len(form.Fields) == 0 {
		label := "flow.input"
		if form.Kind == start.KindChat {
			label = "flow.input-message"
		}
		return []control{{ID: "input", words: b.l.words, Control: stepform.Control{
			Name: flows.FormInputText, Kind: catalog.FieldText, Label: b.l.words.text(label), Value: stepform.Text(b.v.Input),
		}}}
	}
	values, _ := b.v.Input.(map[string]any)
	controls := make([]control, len(form.Fields))
	for i, field := range form.Fields {
		controls[i] = b.inputControl(field, values[field.Name])
	}
	return controls
}

func (b *editorBuilder) inputControl(field start.FormField, value any) control {
	name := flows.FormInput + field.Name
	c := control{ID: htmlID(name), words: b.l.words, Control: stepform.Control{
		Name: name, Kind: catalog.FieldString, Label: field.Label, Help: field.Help, Required: field.Required,
		Value: stepform.Text(value), Placeholder: field.Default,
	}}
	switch field.Type {
	case start.TypeLongText:
		c.Kind = catalog.FieldText
	case start.TypeNumber:
		c.Kind = catalog.FieldNumber
	case start.TypeBoolean:
		c.Kind = catalog.FieldBoolean
		c.Checked, _ = value.(bool)
	case start.TypeSelect:
		c.Kind = catalog.FieldSelect
		for _, text := range field.Options {
			c.Options = append(c.Options, stepform.Option{Value: text, Label: text, Selected: text == c.Value})
		}
	}
	return c
}

// stepIcon picks the icon of a step type, or of its group.
func stepIcon(stepType, group string) string {
	switch stepType {
	case "openai-chat":
		return "sparkles"
	case "practice-chat":
		return "bot"
	case "text-template":
		return "type"
	case "set-fields":
		return "braces"
	}
	switch catalog.Group(group) {
	case catalog.GroupStart:
		return "file-input"
	case catalog.GroupAI:
		return "sparkles"
	case catalog.GroupLogic:
		return "git-branch"
	case catalog.GroupConnect:
		return "globe"
	case catalog.GroupEnd:
		return "file-output"
	}
	return "file-text"
}
