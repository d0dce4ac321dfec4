// Package outline edits a flow as a list of steps. Every edit is a pure
// function of the flow: it keeps ids unique, edges between steps that exist,
// and the graph without cycles, and it wires steps up as a newcomer expects.
package outline

import (
	"slices"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// Refusal is an edit that cannot be made. Its text is the key of a message in
// the web pages' catalogues.
type Refusal string

// The refusals.
const (
	RefusedUnknownStep  Refusal = "outline.unknown-step"
	RefusedUnknownType  Refusal = "outline.unknown-type"
	RefusedFirst        Refusal = "outline.already-first"
	RefusedLast         Refusal = "outline.already-last"
	RefusedStart        Refusal = "outline.start-stays-first"
	RefusedEnd          Refusal = "outline.end-stays-last"
	RefusedBranch       Refusal = "outline.branch"
	RefusedCircle       Refusal = "outline.circle"
	RefusedNoWayIn      Refusal = "outline.no-way-in"
	RefusedNoWayOut     Refusal = "outline.no-way-out"
	RefusedConnected    Refusal = "outline.connected-already"
	RefusedTooManySteps Refusal = "outline.too-many-steps"
	RefusedTooManyEdges Refusal = "outline.too-many-connections"
)

// Error returns the key of the message that explains the refusal.
func (r Refusal) Error() string { return string(r) }

// Bounds of a flow, as in the Flow kind.
const (
	maxSteps = 500
	maxEdges = 2000
)

// Editor makes the edits.
type Editor struct {
	// Catalog of the step types.
	Catalog *catalog.Catalog
	// NewID returns a fresh id for a step or connection; hint is a readable
	// beginning.
	NewID func(hint string) string
}

// End is a port of a step. An empty port means the main one.
type End struct{ Step, Port string }

// Sort puts the steps into the order in which they are shown: each after the
// steps that lead to it, and otherwise as they were. Steps on a circle keep
// their places at the end.
func Sort(spec *v1alpha1.FlowSpec) {
	waiting := incomingCounts(spec)
	sorted := make([]v1alpha1.Component, 0, len(spec.Components))
	done := make([]bool, len(spec.Components))
	for range spec.Components {
		i := nextFree(spec, waiting, done)
		if i < 0 {
			break
		}
		done[i] = true
		sorted = append(sorted, spec.Components[i])
		for _, edge := range spec.Edges {
			if edge.Origin == spec.Components[i].ID {
				waiting[edge.Target]--
			}
		}
	}
	for i := range spec.Components {
		if !done[i] {
			sorted = append(sorted, spec.Components[i])
		}
	}
	spec.Components = sorted
}

func incomingCounts(spec *v1alpha1.FlowSpec) map[string]int {
	counts := make(map[string]int, len(spec.Components))
	for _, edge := range spec.Edges {
		if has(spec, edge.Origin) {
			counts[edge.Target]++
		}
	}
	return counts
}

func nextFree(spec *v1alpha1.FlowSpec, waiting map[string]int, done []bool) int {
	for i := range spec.Components {
		if !done[i] && waiting[spec.Components[i].ID] == 0 {
			return i
		}
	}
	return -1
}

func indexOf(spec *v1alpha1.FlowSpec, id string) int {
	return slices.IndexFunc(spec.Components, func(c v1alpha1.Component) bool { return c.ID == id })
}

func has(spec *v1alpha1.FlowSpec, id string) bool { return indexOf(spec, id) >= 0 }

// Step returns the step of that id.
func Step(spec *v1alpha1.FlowSpec, id string) (*v1alpha1.Component, bool) {
	i := indexOf(spec, id)
	if i < 0 {
		return nil, false
	}
	return &spec.Components[i], true
}

// Into returns the connections that lead into the step.
func Into(spec *v1alpha1.FlowSpec, id string) []v1alpha1.Edge {
	return edges(spec, func(e v1alpha1.Edge) bool { return e.Target == id })
}

// OutOf returns the connections that leave the step.
func OutOf(spec *v1alpha1.FlowSpec, id string) []v1alpha1.Edge {
	return edges(spec, func(e v1alpha1.Edge) bool { return e.Origin == id })
}

func edges(spec *v1alpha1.FlowSpec, want func(v1alpha1.Edge) bool) []v1alpha1.Edge {
	var found []v1alpha1.Edge
	for _, edge := range spec.Edges {
		if want(edge) {
			found = append(found, edge)
		}
	}
	return found
}

// Reaches says whether a value can pass from one step to another.
func Reaches(spec *v1alpha1.FlowSpec, from, to string) bool {
	seen := map[string]bool{}
	queue := []string{from}
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if id == to {
			return true
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		for _, edge := range OutOf(spec, id) {
			queue = append(queue, edge.Target)
		}
	}
	return false
}

// port returns the name as it is written in an edge: empty for the main port.
func port(name string, ports []catalog.Port) string {
	if name == catalog.MainPort || (len(ports) > 0 && ports[0].Name == name) {
		return ""
	}
	return name
}

// ends says whether a run ends at the step: nothing is put behind it.
func (e *Editor) ends(spec *v1alpha1.FlowSpec, id string) bool {
	stepType := e.typeOf(spec, id)
	return stepType.Terminal || len(stepType.Outputs) == 0
}

func (e *Editor) typeOf(spec *v1alpha1.FlowSpec, id string) *catalog.Spec {
	step, ok := Step(spec, id)
	if !ok {
		return &catalog.Spec{}
	}
	component, ok := e.Catalog.Lookup(step.Type)
	if !ok {
		return &catalog.Spec{}
	}
	return &component.Spec
}
