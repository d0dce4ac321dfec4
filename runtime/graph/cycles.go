package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weft-run/weft/runtime/expr"
)

// cycles reports each circle of components once: first those of edges alone,
// then those that references close.
func (v *validator) cycles() {
	inCycle := make([]bool, len(v.steps))
	for _, members := range circles(v.successors(false, nil)) {
		for _, m := range members {
			inCycle[m] = true
		}
		v.cycle(members, v.edgeWithin(members))
	}
	v.dropReadings(inCycle)
	for _, members := range circles(v.successors(true, inCycle)) {
		v.cycle(members, v.fieldWithin(members))
	}
}

// successors returns what each component leads to, by edges and, if asked for,
// by references. Edges within a circle that is known already are left out.
func (v *validator) successors(readings bool, known []bool) [][]int {
	next := make([][]int, len(v.steps))
	for _, l := range v.links {
		if known == nil || !known[l.from] || !known[l.to] {
			next[l.from] = append(next[l.from], l.to)
		}
	}
	if readings {
		for i := range v.steps {
			for _, r := range v.steps[i].reads {
				next[r.ref.Step] = append(next[r.ref.Step], i)
			}
		}
	}
	return next
}

// dropReadings reports references to components that come later by edges, and
// forgets them, so that they are not reported as circles too.
func (v *validator) dropReadings(inCycle []bool) {
	next := v.successors(false, nil)
	for i := range v.steps {
		s := &v.steps[i]
		if len(s.reads) == 0 {
			continue
		}
		after := reachable(next, []int{i})
		s.reads = slices.DeleteFunc(s.reads, func(r reading) bool {
			if !after[r.ref.Step] {
				return false
			}
			if r.ref.Step == i || !inCycle[i] || !inCycle[r.ref.Step] {
				v.laterReading(i, r)
			}
			return true
		})
	}
}

func (v *validator) laterReading(i int, r reading) {
	s := &v.steps[i]
	if r.ref.Step == i {
		v.problems.addf(s.where.component, r.field, CodeLaterReference,
			"%s: the step reads its own result, which does not exist yet", r.ref.At)
		return
	}
	v.problems.addf(s.where.component, r.field, CodeLaterReference,
		"%s: %s runs after this step, so its result does not exist yet; read an earlier step",
		r.ref.At, expr.Quote(displayName(v.steps[r.ref.Step].spec)))
}

// cycle reports the components of a circle, in the order of the flow.
func (v *validator) cycle(members []int, field string) {
	const shown = 8
	var names []string
	for _, m := range members[:min(shown, len(members))] {
		names = append(names, expr.Quote(displayName(v.steps[m].spec)))
	}
	more := ""
	if len(members) > shown {
		more = fmt.Sprintf(" and %d more", len(members)-shown)
	}
	message := strings.Join(names, ", ") + more + " wait for each other in a circle; remove one of the connections or references between them"
	if len(members) == 1 {
		message = names[0] + " waits for itself; remove the connection"
	}
	v.problems.add(v.steps[members[0]].where.component, field, CodeCycle, message)
}

// edgeWithin names the first edge between members.
func (v *validator) edgeWithin(members []int) string {
	for _, l := range v.links {
		if has(members, l.from) && has(members, l.to) {
			return index("edges", l.edge)
		}
	}
	return "edges"
}

// fieldWithin names the first param that reads another member, as seen from
// the first member that has one.
func (v *validator) fieldWithin(members []int) string {
	for _, m := range members {
		for _, r := range v.steps[m].reads {
			if has(members, r.ref.Step) {
				return r.field
			}
		}
	}
	return "edges"
}

func has(sorted []int, n int) bool {
	_, ok := slices.BinarySearch(sorted, n)
	return ok
}

// circles returns the strongly connected components of a graph that have a
// circle, each sorted, in the order of their first members. It is Tarjan's
// algorithm with a stack of its own instead of recursion.
func circles(next [][]int) [][]int {
	t := &tarjan{next: next, index: make([]int, len(next)), low: make([]int, len(next)), onStack: make([]bool, len(next))}
	for n := range next {
		if t.index[n] == 0 {
			t.visit(n)
		}
	}
	slices.SortFunc(t.found, func(a, b []int) int { return a[0] - b[0] })
	return t.found
}

type tarjan struct {
	next    [][]int
	count   int
	index   []int // from 1, in order of the visit; 0: not visited
	low     []int
	onStack []bool
	stack   []int
	found   [][]int
}

// visiting is a node and how many of its successors have been looked at.
type visiting struct{ node, done int }

func (t *tarjan) visit(root int) {
	work := []visiting{{node: root}}
	for len(work) > 0 {
		top := &work[len(work)-1]
		n := top.node
		if top.done == 0 && t.index[n] == 0 {
			t.enter(n)
		}
		if top.done < len(t.next[n]) {
			m := t.next[n][top.done]
			top.done++
			switch {
			case t.index[m] == 0:
				work = append(work, visiting{node: m})
			case t.onStack[m]:
				t.low[n] = min(t.low[n], t.index[m])
			}
			continue
		}
		work = work[:len(work)-1]
		if len(work) > 0 {
			parent := work[len(work)-1].node
			t.low[parent] = min(t.low[parent], t.low[n])
		}
		t.leave(n)
	}
}

func (t *tarjan) enter(n int) {
	t.count++
	t.index[n], t.low[n] = t.count, t.count
	t.stack = append(t.stack, n)
	t.onStack[n] = true
}

// leave takes a whole component off the stack, if n is its root.
func (t *tarjan) leave(n int) {
	if t.low[n] != t.index[n] {
		return
	}
	start := slices.Index(t.stack, n)
	members := slices.Clone(t.stack[start:])
	t.stack = t.stack[:start]
	for _, m := range members {
		t.onStack[m] = false
	}
	if len(members) > 1 || slices.Contains(t.next[n], n) {
		slices.Sort(members)
		t.found = append(t.found, members)
	}
}

// reachable says which nodes can be reached from the starts, starts included.
func reachable(next [][]int, starts []int) []bool {
	seen := make([]bool, len(next))
	work := slices.Clone(starts)
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		work = append(work, next[n]...)
	}
	return seen
}

// reach reports components that no run would come to: where the flow has a
// start, everything must follow from one.
func (v *validator) reach() {
	var starts []int
	for i := range v.steps {
		if k := v.steps[i].kind; k == nil || k.Trigger {
			starts = append(starts, i)
		}
	}
	if len(v.triggers) == 0 {
		return
	}
	seen := reachable(v.successors(true, nil), starts)
	for i := range v.steps {
		if s := &v.steps[i]; !seen[i] && s.kind != nil {
			v.problems.addf(s.where.component, s.where.field("id"), CodeOrphan,
				"nothing leads to %s, so it would never run; connect it to a step before it, or delete it", expr.Quote(displayName(s.spec)))
		}
	}
}
