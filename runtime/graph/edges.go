package graph

import (
	"strings"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
)

func (v *validator) edges() {
	seen := make(map[string]bool, len(v.spec.Edges))
	for i := range v.spec.Edges {
		e := &v.spec.Edges[i]
		v.edgeID(i, e, seen)
		v.edge(i, e)
	}
}

func (v *validator) edgeID(i int, e *v1alpha1.Edge, seen map[string]bool) {
	field := index("edges", i) + ".id"
	switch {
	case e.ID == "":
		v.problems.add("", field, CodeRequired, "every connection needs an id")
	case !idPattern(e.ID):
		v.problems.addf("", field, CodeInvalid, "%s is not an id; use 1 to 63 letters, digits and dashes", expr.Quote(e.ID))
	case seen[e.ID]:
		v.problems.addf("", field, CodeDuplicate, "another connection has the id %q too; give this one an id of its own", e.ID)
	}
	seen[e.ID] = true
}

// edge makes a link of an edge whose ends and ports exist and fit.
func (v *validator) edge(i int, e *v1alpha1.Edge) {
	from, fromOK := v.end(i, "origin", e.Origin, e.Target)
	to, toOK := v.end(i, "target", e.Target, e.Origin)
	if !fromOK || !toOK {
		return
	}
	l := link{edge: i, from: from, to: to}
	// The ends count for cycles and reach whatever the ports are.
	defer func() { v.links = append(v.links, l) }()
	if v.steps[from].kind == nil || v.steps[to].kind == nil {
		return
	}
	out, outOK := v.originPort(i, e, &v.steps[from])
	in, inOK := v.targetPort(i, e, &v.steps[to])
	if !outOK || !inOK {
		return
	}
	l.fromPort, l.toPort, l.fromType, l.targetType = out.Name, in.Name, out.Type, in.Type
	if !fits(out.Type, in.Type) {
		v.problems.addf(e.Target, index("edges", i), CodeTypeMismatch,
			"%s gives %s, but %s takes %s; put a step between them that converts it",
			v.portWords(from, out.Name), typeWords(out.Type), v.portWords(to, in.Name), typeWords(in.Type))
	}
}

// end finds the component at one end of an edge. A problem names the component
// at the other end, where that exists.
func (v *validator) end(i int, side, id, other string) (int, bool) {
	if at, ok := v.byID[id]; ok {
		return at, true
	}
	component := ""
	if at, ok := v.byID[other]; ok {
		component = v.steps[at].where.component
	}
	field := index("edges", i) + "." + side
	if id == "" {
		v.problems.addf(component, field, CodeRequired, "the connection needs the id of a step here")
		return 0, false
	}
	ids := make([]string, len(v.steps))
	for at := range v.steps {
		ids[at] = v.steps[at].spec.ID
	}
	if near := v.nearest(id, ids); near != "" {
		v.problems.addf(component, field, CodeUnknownReference, "no step has the id %s; did you mean %q?", expr.Quote(id), near)
		return 0, false
	}
	v.problems.addf(component, field, CodeUnknownReference, "no step has the id %s", expr.Quote(id))
	return 0, false
}

func (v *validator) originPort(i int, e *v1alpha1.Edge, s *step) (catalog.Port, bool) {
	field := index("edges", i) + ".originPort"
	if e.OriginPort == catalog.ErrorPort {
		if s.spec.OnError == nil || s.spec.OnError.Action != v1alpha1.ErrorActionRoute {
			v.problems.add(s.where.component, field, CodeInvalid,
				"the error port gives nothing unless the step's onError.action is Route; set it, or remove the connection")
		}
		return catalog.Port{Name: catalog.ErrorPort, Type: catalog.Object}, true
	}
	if len(s.kind.Outputs) == 0 {
		v.problems.addf(s.where.component, index("edges", i)+".origin", CodeInvalid,
			"%s gives nothing on; remove the connection", expr.Quote(displayName(s.spec)))
		return catalog.Port{}, false
	}
	return v.port(field, s, e.OriginPort, s.kind.Outputs)
}

func (v *validator) targetPort(i int, e *v1alpha1.Edge, s *step) (catalog.Port, bool) {
	if len(s.kind.Inputs) == 0 {
		v.problems.addf(s.where.component, index("edges", i)+".target", CodeInvalid,
			"%s starts the flow and takes nothing in; remove the connection", expr.Quote(displayName(s.spec)))
		return catalog.Port{}, false
	}
	return v.port(index("edges", i)+".targetPort", s, e.TargetPort, s.kind.Inputs)
}

// port finds a port by its name; none and main mean the first.
func (v *validator) port(field string, s *step, name string, ports []catalog.Port) (catalog.Port, bool) {
	for i := range ports {
		if ports[i].Name == name {
			return ports[i], true
		}
	}
	if name == "" || name == catalog.MainPort {
		return ports[0], true
	}
	var names []string
	for i := range ports {
		names = append(names, ports[i].Name)
	}
	v.problems.addf(s.where.component, field, CodeUnknown, "%s has no port %s here; there is %s",
		expr.Quote(displayName(s.spec)), expr.Quote(name), strings.Join(names, ", "))
	return catalog.Port{}, false
}

// fits says whether a value of one type may enter a port of another, by itself
// or converted: object, number and message become text, one becomes a list.
func fits(from, to catalog.PortType) bool {
	switch {
	case from == to, from == catalog.Any, to == catalog.Any:
		return true
	case to == catalog.Text:
		return from == catalog.Object || from == catalog.Number || from == catalog.Message
	}
	return to == catalog.List
}

func (v *validator) portWords(i int, port string) string {
	name := expr.Quote(displayName(v.steps[i].spec))
	if port == catalog.MainPort {
		return name
	}
	return name + " (" + port + ")"
}

func typeWords(t catalog.PortType) string {
	switch t {
	case catalog.Text, catalog.Number, catalog.Date, catalog.List, catalog.File, catalog.Message:
		return "a " + string(t)
	case catalog.Boolean:
		return "true or false"
	case catalog.Object:
		return "an object"
	}
	return string(t)
}
