package graph

import (
	"fmt"
	"slices"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

// Validate returns every problem of the flow, in the order of the flow. There
// is none exactly when Compile gives a plan.
func Validate(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) []Problem {
	_, problems := Compile(spec, cat)
	return problems
}

// Compile validates the flow and makes a plan of it. The plan is nil where
// there are problems.
func Compile(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) (*Plan, []Problem) {
	v := &validator{spec: spec, catalog: cat}
	v.flowBounds()
	if !v.sizes() {
		return nil, v.problems.list
	}
	v.identify()
	v.components()
	v.edges()
	v.cycles()
	v.reach()
	if len(v.problems.list) > 0 {
		return nil, v.problems.list
	}
	return v.plan(), nil
}

// validator looks at a flow once, from top to bottom, and keeps what a plan
// needs.
type validator struct {
	spec     *v1alpha1.FlowSpec
	catalog  *catalog.Catalog
	problems problems
	// byID is the first component with an id.
	byID  map[string]int
	scope *expr.Scope
	// triggers are the components at which a run may start.
	triggers []int
	// steps has an entry for each component, links one for each valid edge.
	steps []step
	links []link
	// expressions counts what all expressions have in length.
	expressions int
}

// step is what is known of a component. Its type is nil where the catalogue has
// none.
type step struct {
	spec   *v1alpha1.Component
	kind   *catalog.Component
	where  place
	params *Params
	reads  []reading
}

// main is the name of its main output.
func (s *step) main() string {
	if len(s.kind.Outputs) > 0 {
		return s.kind.Outputs[0].Name
	}
	return catalog.MainPort
}

// reading is a reference from a param to another component.
type reading struct {
	field string
	ref   expr.Ref
}

// link is an edge whose ends exist.
type link struct {
	edge                 int
	from, to             int
	fromPort, toPort     string
	fromType, targetType catalog.PortType
}

// place names a component in problems: by its id, or by its number where the id
// does not name it.
type place struct {
	component string
	prefix    string
}

func (p place) field(name string) string { return p.prefix + name }

// sizes checks the lengths of the lists. What is beyond them is not looked at
// any further.
func (v *validator) sizes() bool {
	before := len(v.problems.list)
	if n := len(v.spec.Components); n > MaxComponents {
		v.problems.addf("", "components", CodeTooLarge, "there are %d steps; at most %d are allowed, split the flow", n, MaxComponents)
	}
	if n := len(v.spec.Edges); n > MaxEdges {
		v.problems.addf("", "edges", CodeTooLarge, "there are %d connections; at most %d are allowed, split the flow", n, MaxEdges)
	}
	total := 0
	for i := range v.spec.Components {
		if p := v.spec.Components[i].Params; p != nil {
			total += len(p.Raw)
		}
	}
	if total > MaxAllParamsBytes {
		v.problems.addf("", "components", CodeTooLarge, "the params of all steps together are larger than %d bytes; split the flow", MaxAllParamsBytes)
	}
	return len(v.problems.list) == before
}

// identify gives every component its place, type and name in expressions.
func (v *validator) identify() {
	n := len(v.spec.Components)
	v.byID = make(map[string]int, n)
	v.steps = make([]step, n)
	names := make([]expr.Step, n)
	for i := range v.spec.Components {
		c := &v.spec.Components[i]
		s := &v.steps[i]
		s.spec = c
		s.where = v.place(i)
		s.kind, _ = v.catalog.Lookup(c.Type)
		names[i] = expr.Step{ID: c.ID, Name: displayName(c)}
		if s.kind != nil {
			names[i].Ports = outputNames(s.kind)
			if s.kind.Trigger {
				v.triggers = append(v.triggers, i)
			}
		}
	}
	v.scope = expr.NewScope(names)
}

func (v *validator) place(i int) place {
	id := v.spec.Components[i].ID
	_, taken := v.byID[id]
	if !taken {
		v.byID[id] = i
	}
	if taken || !idPattern(id) {
		return place{component: pathKey(id), prefix: index("components", i) + "."}
	}
	return place{component: id}
}

// displayName is the name of a component for people.
func displayName(c *v1alpha1.Component) string {
	if c.Name != "" {
		return c.Name
	}
	return c.Type
}

func outputNames(kind *catalog.Component) []string {
	names := make([]string, 0, len(kind.Outputs)+1)
	for i := range kind.Outputs {
		names = append(names, kind.Outputs[i].Name)
	}
	if len(names) > 0 {
		names = append(names, catalog.ErrorPort)
	}
	return names
}

func (v *validator) components() {
	for i := range v.steps {
		v.component(i)
	}
}

func (v *validator) component(i int) {
	s := &v.steps[i]
	v.id(i)
	v.componentType(s)
	v.componentLength(s.where.component, s.where.field("name"), s.spec.Name, MaxTitle)
	v.params(s)
	v.credential(s)
	v.parent(s)
	v.onError(s)
	v.duration(s.where.component, s.where.field("timeout"), s.spec.Timeout, time.Millisecond, time.Hour)
}

func (v *validator) id(i int) {
	id, where := v.spec.Components[i].ID, v.steps[i].where
	switch {
	case id == "":
		v.problems.add("", where.field("id"), CodeRequired, "every step needs an id")
	case !idPattern(id):
		v.problems.addf(where.component, where.field("id"), CodeInvalid,
			"%s is not an id; use 1 to 63 letters, digits and dashes", expr.Quote(id))
	case v.byID[id] != i:
		v.problems.addf(where.component, where.field("id"), CodeDuplicate,
			"another step has the id %q too; give this one an id of its own", id)
	}
}

func (v *validator) componentType(s *step) {
	if s.kind != nil {
		return
	}
	where, name := s.where, s.spec.Type
	if name == "" {
		v.problems.add(where.component, where.field("type"), CodeRequired, "the step needs a type, for example text-template")
		return
	}
	var types []string
	for _, c := range v.catalog.All() {
		types = append(types, c.Type)
	}
	slices.Sort(types)
	if near := v.nearest(name, types); near != "" {
		v.problems.addf(where.component, where.field("type"), CodeUnknown, "there is no type %s; did you mean %s?", expr.Quote(name), near)
		return
	}
	v.problems.addf(where.component, where.field("type"), CodeUnknown, "there is no type %s; see the list of steps", expr.Quote(name))
}

// nearest suggests what a misspelt word means, as long as not everything is
// misspelt.
func (v *validator) nearest(word string, candidates []string) string {
	const enough = 50
	if len(v.problems.list) > enough {
		return ""
	}
	return expr.Nearest(word, candidates)
}

// parent reports every parent: no component type holds other steps.
func (v *validator) parent(s *step) {
	if s.spec.Parent == "" {
		return
	}
	field := s.where.field("parent")
	parent, ok := v.byID[s.spec.Parent]
	if !ok {
		v.problems.addf(s.where.component, field, CodeOrphan, "there is no step with the id %s to be the parent", expr.Quote(s.spec.Parent))
		return
	}
	v.problems.addf(s.where.component, field, CodeOrphan,
		"%s cannot hold other steps; remove the parent", expr.Quote(displayName(v.steps[parent].spec)))
}

func (v *validator) credential(s *step) {
	c, where := s.spec.Credential, s.where
	if s.kind != nil && s.kind.Credential == nil && c != nil {
		v.problems.addf(where.component, where.field("credential"), CodeCredential, "%s takes no key; remove the credential", s.kind.Title)
	}
	if c == nil {
		if s.kind != nil && s.kind.Credential != nil && s.kind.Credential.Required {
			v.problems.addf(where.component, where.field("credential"), CodeCredential, "choose a key: %s", s.kind.Credential.Title)
		}
		return
	}
	if (c.SecretKeyRef == nil) == (c.VaultKeyRef == nil) {
		v.problems.add(where.component, where.field("credential"), CodeCredential, "set exactly one of secretKeyRef and vaultKeyRef")
	}
	if r := c.SecretKeyRef; r != nil {
		v.credentialName(s, "credential.secretKeyRef.name", r.Name, secretNamePattern)
		v.credentialName(s, "credential.secretKeyRef.key", r.Key, secretKeyPattern)
	}
	if r := c.VaultKeyRef; r != nil {
		v.credentialName(s, "credential.vaultKeyRef.name", r.Name, slugPattern)
	}
}

func (v *validator) credentialName(s *step, field, name string, ok func(string) bool) {
	if !ok(name) {
		v.problems.addf(s.where.component, s.where.field(field), CodeCredential, "%s cannot be the name of a key", expr.Quote(name))
	}
}

func (v *validator) onError(s *step) {
	o, where := s.spec.OnError, s.where
	if o == nil {
		return
	}
	v.componentOneOf(where.component, where.field("onError.action"), string(o.Action),
		string(v1alpha1.ErrorActionStop), string(v1alpha1.ErrorActionDefault), string(v1alpha1.ErrorActionRoute))
	if o.Value != nil {
		if o.Action != v1alpha1.ErrorActionDefault {
			v.problems.add(where.component, where.field("onError.value"), CodeInvalid, "value is used with action Default only; remove it or change the action")
		}
		if _, problem := parseJSON(o.Value.Raw); problem != "" {
			v.problems.add(where.component, where.field("onError.value"), CodeInvalid, problem)
		}
	}
	if r := o.Retry; r != nil {
		if r.Times < 1 || r.Times > 10 {
			v.problems.add(where.component, where.field("onError.retry.times"), CodeInvalid, "this must be between 1 and 10")
		}
		v.duration(where.component, where.field("onError.retry.backoff"), r.Backoff, time.Millisecond, 5*time.Minute)
	}
}

func index(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }
