package outline

import (
	"fmt"
	"slices"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// Add puts a new step where it most likely belongs: a start before everything
// that has no predecessor, an end behind everything that leads nowhere, any
// other step behind the last one and before the end. It returns the step's id.
func (e *Editor) Add(spec *v1alpha1.FlowSpec, stepType string) (string, error) {
	component, ok := e.Catalog.Lookup(stepType)
	if !ok {
		return "", RefusedUnknownType
	}
	Sort(spec)
	switch {
	case component.Trigger:
		return e.addStart(spec, component)
	case component.Terminal || len(component.Outputs) == 0:
		return e.addEnd(spec, component)
	default:
		return e.addMiddle(spec, component)
	}
}

func (e *Editor) addStart(spec *v1alpha1.FlowSpec, component *catalog.Component) (string, error) {
	targets := e.unfed(spec)
	id, err := e.insert(spec, 0, component)
	if err != nil {
		return "", err
	}
	for _, target := range targets {
		e.join(spec, End{Step: id}, End{Step: target})
	}
	return id, nil
}

// unfed returns the steps that take a value and get none.
func (e *Editor) unfed(spec *v1alpha1.FlowSpec) []string {
	var ids []string
	for _, step := range spec.Components {
		if len(e.typeOf(spec, step.ID).Inputs) > 0 && len(Into(spec, step.ID)) == 0 {
			ids = append(ids, step.ID)
		}
	}
	return ids
}

func (e *Editor) addEnd(spec *v1alpha1.FlowSpec, component *catalog.Component) (string, error) {
	var leaves []string
	for _, step := range spec.Components {
		if !e.ends(spec, step.ID) && len(OutOf(spec, step.ID)) == 0 {
			leaves = append(leaves, step.ID)
		}
	}
	id, err := e.insert(spec, len(spec.Components), component)
	if err != nil {
		return "", err
	}
	for _, leaf := range leaves {
		e.join(spec, End{Step: leaf}, End{Step: id})
	}
	return id, nil
}

func (e *Editor) addMiddle(spec *v1alpha1.FlowSpec, component *catalog.Component) (string, error) {
	for _, step := range slices.Backward(spec.Components) {
		if !e.ends(spec, step.ID) {
			return e.AddAfter(spec, End{Step: step.ID}, component.Type)
		}
	}
	targets := e.unfed(spec)
	id, err := e.insert(spec, 0, component)
	if err != nil {
		return "", err
	}
	for _, target := range targets {
		e.join(spec, End{Step: id}, End{Step: target})
	}
	return id, nil
}

// AddAfter puts a new step behind a port of another one: what the port led to
// is led to by the new step. An end is put beside it instead.
func (e *Editor) AddAfter(spec *v1alpha1.FlowSpec, after End, stepType string) (string, error) {
	component, ok := e.Catalog.Lookup(stepType)
	if !ok {
		return "", RefusedUnknownType
	}
	if component.Trigger || len(component.Inputs) == 0 {
		return e.Add(spec, stepType)
	}
	Sort(spec)
	i := indexOf(spec, after.Step)
	if i < 0 {
		return "", RefusedUnknownStep
	}
	if e.ends(spec, after.Step) {
		return "", RefusedNoWayOut
	}
	after.Port = port(after.Port, e.typeOf(spec, after.Step).Outputs)
	id, err := e.insert(spec, i+1, component)
	if err != nil {
		return "", err
	}
	if !component.Terminal && len(component.Outputs) > 0 {
		e.takeOver(spec, after, id)
	}
	e.join(spec, after, End{Step: id})
	Sort(spec)
	return id, nil
}

// takeOver lets the edges that leave a port leave another step instead.
func (e *Editor) takeOver(spec *v1alpha1.FlowSpec, from End, id string) {
	outputs := e.typeOf(spec, from.Step).Outputs
	for i := range spec.Edges {
		edge := &spec.Edges[i]
		if edge.Origin == from.Step && port(edge.OriginPort, outputs) == from.Port {
			edge.Origin, edge.OriginPort = id, ""
		}
	}
}

// Delete removes the step and joins what led to it with what it led to.
func (e *Editor) Delete(spec *v1alpha1.FlowSpec, id string) error {
	i := indexOf(spec, id)
	if i < 0 {
		return RefusedUnknownStep
	}
	into, out := Into(spec, id), OutOf(spec, id)
	spec.Components = slices.Delete(spec.Components, i, i+1)
	spec.Edges = edges(spec, func(edge v1alpha1.Edge) bool { return edge.Origin != id && edge.Target != id })
	for _, a := range into {
		for _, b := range out {
			e.join(spec, End{a.Origin, a.OriginPort}, End{b.Target, b.TargetPort})
		}
	}
	for j := range spec.Components {
		if spec.Components[j].Parent == id {
			spec.Components[j].Parent = ""
		}
	}
	Sort(spec)
	return nil
}

// Move exchanges the step with the one before it (up) or after it. Where the
// one leads to the other, the connections change with them.
func (e *Editor) Move(spec *v1alpha1.FlowSpec, id string, up bool) error {
	Sort(spec)
	i := indexOf(spec, id)
	if i < 0 {
		return RefusedUnknownStep
	}
	first := i
	if up {
		first--
	}
	if first < 0 {
		return RefusedFirst
	}
	if first+1 >= len(spec.Components) {
		return RefusedLast
	}
	if err := e.exchange(spec, spec.Components[first].ID, spec.Components[first+1].ID); err != nil {
		return err
	}
	spec.Components[first], spec.Components[first+1] = spec.Components[first+1], spec.Components[first]
	Sort(spec)
	return nil
}

// exchange rewires a → b to b → a. Steps that are not connected need nothing.
func (e *Editor) exchange(spec *v1alpha1.FlowSpec, a, b string) error {
	between := edges(spec, func(edge v1alpha1.Edge) bool { return edge.Origin == a && edge.Target == b })
	if len(between) == 0 {
		return nil
	}
	if len(e.typeOf(spec, a).Inputs) == 0 {
		return RefusedStart
	}
	if e.ends(spec, b) {
		return RefusedEnd
	}
	if len(between) != 1 || len(OutOf(spec, a)) != 1 || len(Into(spec, b)) != 1 {
		return RefusedBranch
	}
	for i := range spec.Edges {
		edge := &spec.Edges[i]
		switch {
		case edge.ID == between[0].ID:
			edge.Origin, edge.OriginPort, edge.Target, edge.TargetPort = b, "", a, ""
		case edge.Target == a:
			edge.Target, edge.TargetPort = b, between[0].TargetPort
		case edge.Origin == b:
			edge.Origin, edge.OriginPort = a, between[0].OriginPort
		}
	}
	return nil
}

// Connect leads the value of a port of one step to another step.
func (e *Editor) Connect(spec *v1alpha1.FlowSpec, from, to End) error {
	if !has(spec, from.Step) || !has(spec, to.Step) {
		return RefusedUnknownStep
	}
	origin, target := e.typeOf(spec, from.Step), e.typeOf(spec, to.Step)
	if len(origin.Outputs) == 0 {
		return RefusedNoWayOut
	}
	if len(target.Inputs) == 0 {
		return RefusedNoWayIn
	}
	if Reaches(spec, to.Step, from.Step) {
		return RefusedCircle
	}
	from.Port, to.Port = port(from.Port, origin.Outputs), port(to.Port, target.Inputs)
	if e.joined(spec, from, to) {
		return RefusedConnected
	}
	if len(spec.Edges) >= maxEdges {
		return RefusedTooManyEdges
	}
	e.join(spec, from, to)
	Sort(spec)
	return nil
}

// Disconnect removes a connection.
func (e *Editor) Disconnect(spec *v1alpha1.FlowSpec, edgeID string) error {
	i := slices.IndexFunc(spec.Edges, func(edge v1alpha1.Edge) bool { return edge.ID == edgeID })
	if i < 0 {
		return RefusedUnknownStep
	}
	spec.Edges = slices.Delete(spec.Edges, i, i+1)
	return nil
}

func (e *Editor) insert(spec *v1alpha1.FlowSpec, at int, component *catalog.Component) (string, error) {
	if len(spec.Components) >= maxSteps {
		return "", RefusedTooManySteps
	}
	step := v1alpha1.Component{
		ID:   e.NewID(component.Type),
		Type: component.Type,
		Name: freeName(spec, component.Title),
	}
	spec.Components = slices.Insert(spec.Components, at, step)
	return step.ID, nil
}

// freeName returns the title, with a number where it is taken: names are how
// other steps refer to this one.
func freeName(spec *v1alpha1.FlowSpec, title string) string {
	name := title
	for n := 2; ; n++ {
		taken := slices.ContainsFunc(spec.Components, func(c v1alpha1.Component) bool { return c.Name == name })
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s %d", title, n)
	}
}

func (e *Editor) join(spec *v1alpha1.FlowSpec, from, to End) {
	if len(spec.Edges) >= maxEdges || e.joined(spec, from, to) {
		return
	}
	spec.Edges = append(spec.Edges, v1alpha1.Edge{
		ID: e.NewID("edge"), Origin: from.Step, OriginPort: from.Port, Target: to.Step, TargetPort: to.Port,
	})
}

func (e *Editor) joined(spec *v1alpha1.FlowSpec, from, to End) bool {
	outputs, inputs := e.typeOf(spec, from.Step).Outputs, e.typeOf(spec, to.Step).Inputs
	return slices.ContainsFunc(spec.Edges, func(edge v1alpha1.Edge) bool {
		return edge.Origin == from.Step && edge.Target == to.Step &&
			port(edge.OriginPort, outputs) == port(from.Port, outputs) &&
			port(edge.TargetPort, inputs) == port(to.Port, inputs)
	})
}
