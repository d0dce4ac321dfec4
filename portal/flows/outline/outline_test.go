package outline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// testEditor knows four kinds of steps: start, end, plain, and fork, which has
// two ways out.
func testEditor(t *testing.T) *Editor {
	t.Helper()
	in, out := []catalog.Port{{Name: catalog.MainPort}}, []catalog.Port{{Name: catalog.MainPort}, {Name: "tokens"}}
	kind := func(spec catalog.Spec) *catalog.Component {
		return &catalog.Component{Spec: spec, Run: func(context.Context, *catalog.Call) (catalog.Outputs, error) { return nil, nil }}
	}
	cat, err := catalog.New(
		kind(catalog.Spec{Type: "start", Title: "Start", Trigger: true, Outputs: out}),
		kind(catalog.Spec{Type: "plain", Title: "Plain", Inputs: in, Outputs: out}),
		kind(catalog.Spec{Type: "fork", Title: "Fork", Inputs: in, Outputs: []catalog.Port{{Name: "yes"}, {Name: "no"}}}),
		kind(catalog.Spec{Type: "end", Title: "End", Terminal: true, Inputs: in, Outputs: out}),
	)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	return &Editor{Catalog: cat, NewID: func(hint string) string {
		n++
		return fmt.Sprintf("%s-%d", hint, n)
	}}
}

// flow builds a flow from "a:start b:plain" and "a-b b.tokens-c".
func flow(steps, connections string) *v1alpha1.FlowSpec {
	spec := &v1alpha1.FlowSpec{}
	for step := range strings.FieldsSeq(steps) {
		id, kind, _ := strings.Cut(step, ":")
		spec.Components = append(spec.Components, v1alpha1.Component{ID: id, Type: kind, Name: id})
	}
	for i, connection := range strings.Fields(connections) {
		from, to, _ := strings.Cut(connection, ">")
		origin, port, _ := strings.Cut(from, ".")
		spec.Edges = append(spec.Edges, v1alpha1.Edge{ID: fmt.Sprintf("e%d", i), Origin: origin, OriginPort: port, Target: to})
	}
	return spec
}

// describe is the inverse of flow. New steps go by their type.
func describe(spec *v1alpha1.FlowSpec) string {
	names := map[string]string{}
	var steps, edges []string
	for _, c := range spec.Components {
		names[c.ID] = strings.TrimRight(c.ID, "-0123456789")
		steps = append(steps, names[c.ID])
	}
	for _, e := range spec.Edges {
		from := names[e.Origin]
		if e.OriginPort != "" {
			from += "." + e.OriginPort
		}
		edges = append(edges, from+">"+names[e.Target])
	}
	return strings.Join(steps, " ") + " | " + strings.Join(edges, " ")
}

func TestEdits(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		flow   *v1alpha1.FlowSpec
		edit   func(*Editor, *v1alpha1.FlowSpec) error
		want   string
		err    error
	}{
		"AddToEmpty": {
			reason: "the first step stands alone",
			flow:   flow("", ""),
			edit:   add("plain"),
			want:   "plain | ",
		},
		"AddStartLast": {
			reason: "a start goes before everything that gets no value",
			flow:   flow("a:plain", ""),
			edit:   add("start"),
			want:   "start a | start>a",
		},
		"AddEnd": {
			reason: "an end goes behind every leaf",
			flow:   flow("s:start f:fork a:plain b:plain", "s>f f.yes>a f.no>b"),
			edit:   add("end"),
			want:   "s f a b end | s>f f.yes>a f.no>b a>end b>end",
		},
		"AddMiddleBeforeEnd": {
			reason: "another step goes behind the last one and before the end",
			flow:   flow("s:start e:end", "s>e"),
			edit:   add("plain"),
			want:   "s plain e | plain>e s>plain",
		},
		"AddMiddleToEndOnly": {
			reason: "a step that comes after the end was made leads to it",
			flow:   flow("e:end", ""),
			edit:   add("plain"),
			want:   "plain e | plain>e",
		},
		"AddUnknown": {
			reason: "a type that the catalogue does not have is refused",
			flow:   flow("s:start", ""),
			edit:   add("nonsense"),
			want:   "s | ",
			err:    RefusedUnknownType,
		},
		"AddAfterTakesOver": {
			reason: "what the step led to is led to by the new one",
			flow:   flow("s:start a:plain b:plain", "s>a s>b"),
			edit:   addAfter("s", "", "plain"),
			want:   "s plain a b | plain>a plain>b s>plain",
		},
		"AddAfterPort": {
			reason: "only the edges of that way out are taken over",
			flow:   flow("s:start f:fork a:plain b:plain", "s>f f.yes>a f.no>b"),
			edit:   addAfter("f", "no", "plain"),
			want:   "s f plain a b | s>f f.yes>a plain>b f.no>plain",
		},
		"AddAfterFirstPort": {
			reason: "the first way out is the main one, by its name or by none",
			flow:   flow("s:start f:fork a:plain", "s>f f>a"),
			edit:   addAfter("f", "yes", "plain"),
			want:   "s f plain a | s>f plain>a f>plain",
		},
		"AddEndAfter": {
			reason: "an end takes nothing over",
			flow:   flow("s:start a:plain b:plain", "s>a a>b"),
			edit:   addAfter("a", "", "end"),
			want:   "s a end b | s>a a>b a>end",
		},
		"AddAfterEnd": {
			reason: "nothing follows an end",
			flow:   flow("s:start e:end", "s>e"),
			edit:   addAfter("e", "", "plain"),
			want:   "s e | s>e",
			err:    RefusedNoWayOut,
		},
		"AddAfterNothing": {
			reason: "a step that is gone is refused",
			flow:   flow("s:start", ""),
			edit:   addAfter("x", "", "plain"),
			want:   "s | ",
			err:    RefusedUnknownStep,
		},
		"DeleteMiddle": {
			reason: "what led to the step leads to what it led to, out of the same way",
			flow:   flow("s:start f:fork a:plain e:end", "s>f f.no>a a>e"),
			edit:   remove("a"),
			want:   "s f e | s>f f.no>e",
		},
		"DeleteJoinsOnce": {
			reason: "a connection that is there already is not made again",
			flow:   flow("s:start a:plain e:end", "s>a a>e s>e"),
			edit:   remove("a"),
			want:   "s e | s>e",
		},
		"DeleteUnknown": {
			reason: "a step that is gone is refused",
			flow:   flow("s:start", ""),
			edit:   remove("x"),
			want:   "s | ",
			err:    RefusedUnknownStep,
		},
		"MoveUpInChain": {
			reason: "two connected steps change places with their connections",
			flow:   flow("s:start a:plain b:plain e:end", "s>a a>b b>e"),
			edit:   move("b", true),
			want:   "s b a e | s>b b>a a>e",
		},
		"MoveDownInChain": {
			reason: "down is the same as up for the next one",
			flow:   flow("s:start a:plain b:plain e:end", "s>a a>b b>e"),
			edit:   move("a", false),
			want:   "s b a e | s>b b>a a>e",
		},
		"MoveKeepsPort": {
			reason: "what lies behind the yes of a fork stays behind its yes",
			flow:   flow("s:start f:fork a:plain e:end", "s>f f.yes>a a>e"),
			edit:   move("a", true),
			want:   "s a f e | s>a a>f f.yes>e",
		},
		"MoveUnconnected": {
			reason: "steps side by side change places only",
			flow:   flow("s:start a:plain b:plain", "s>a s>b"),
			edit:   move("b", true),
			want:   "s b a | s>a s>b",
		},
		"MoveBeforeStart": {
			reason: "a start stays first",
			flow:   flow("s:start a:plain", "s>a"),
			edit:   move("a", true),
			want:   "s a | s>a",
			err:    RefusedStart,
		},
		"MoveBehindEnd": {
			reason: "an end stays last",
			flow:   flow("a:plain e:end", "a>e"),
			edit:   move("a", false),
			want:   "a e | a>e",
			err:    RefusedEnd,
		},
		"MoveAtBranch": {
			reason: "where several steps are connected, no exchange is meant",
			flow:   flow("s:start a:plain b:plain c:plain", "s>a a>b a>c"),
			edit:   move("b", true),
			want:   "s a b c | s>a a>b a>c",
			err:    RefusedBranch,
		},
		"MoveFirstUp": {
			reason: "there is nothing above the first",
			flow:   flow("s:start", ""),
			edit:   move("s", true),
			want:   "s | ",
			err:    RefusedFirst,
		},
		"MoveLastDown": {
			reason: "there is nothing below the last",
			flow:   flow("s:start", ""),
			edit:   move("s", false),
			want:   "s | ",
			err:    RefusedLast,
		},
		"Connect": {
			reason: "a connection puts its origin before its target",
			flow:   flow("a:plain b:plain", ""),
			edit:   connect("b", "", "a"),
			want:   "b a | b>a",
		},
		"ConnectCircle": {
			reason: "a flow never goes in a circle",
			flow:   flow("a:plain b:plain c:plain", "a>b b>c"),
			edit:   connect("c", "", "a"),
			want:   "a b c | a>b b>c",
			err:    RefusedCircle,
		},
		"ConnectItself": {
			reason: "a step does not lead to itself",
			flow:   flow("a:plain", ""),
			edit:   connect("a", "", "a"),
			want:   "a | ",
			err:    RefusedCircle,
		},
		"ConnectTwice": {
			reason: "the same connection by the name of the main port is the same",
			flow:   flow("a:plain b:plain", "a>b"),
			edit:   connect("a", "main", "b"),
			want:   "a b | a>b",
			err:    RefusedConnected,
		},
		"ConnectIntoStart": {
			reason: "a start takes no value",
			flow:   flow("s:start a:plain", ""),
			edit:   connect("a", "", "s"),
			want:   "s a | ",
			err:    RefusedNoWayIn,
		},
		"Disconnect": {
			reason: "one connection goes, the others stay",
			flow:   flow("a:plain b:plain c:plain", "a>b a>c"),
			edit:   func(e *Editor, s *v1alpha1.FlowSpec) error { return e.Disconnect(s, "e0") },
			want:   "a b c | a>c",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.edit(testEditor(t), tc.flow)
			if !errors.Is(err, tc.err) {
				t.Errorf("%s: error %v, want %v", tc.reason, err, tc.err)
			}
			if diff := cmp.Diff(tc.want, describe(tc.flow)); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			checkGraph(t, tc.flow)
		})
	}
}

func add(kind string) func(*Editor, *v1alpha1.FlowSpec) error {
	return func(e *Editor, s *v1alpha1.FlowSpec) error { _, err := e.Add(s, kind); return err }
}

func addAfter(id, port, kind string) func(*Editor, *v1alpha1.FlowSpec) error {
	return func(e *Editor, s *v1alpha1.FlowSpec) error { _, err := e.AddAfter(s, End{id, port}, kind); return err }
}

func remove(id string) func(*Editor, *v1alpha1.FlowSpec) error {
	return func(e *Editor, s *v1alpha1.FlowSpec) error { return e.Delete(s, id) }
}

func move(id string, up bool) func(*Editor, *v1alpha1.FlowSpec) error {
	return func(e *Editor, s *v1alpha1.FlowSpec) error { return e.Move(s, id, up) }
}

func connect(from, port, to string) func(*Editor, *v1alpha1.FlowSpec) error {
	return func(e *Editor, s *v1alpha1.FlowSpec) error { return e.Connect(s, End{from, port}, End{Step: to}) }
}

// checkGraph holds for every flow after every edit: ids are unique, edges lead
// between steps that exist, each step stands behind those that lead to it.
func checkGraph(t *testing.T, spec *v1alpha1.FlowSpec) {
	t.Helper()
	at, seen := map[string]int{}, map[string]bool{}
	for i, c := range spec.Components {
		if _, twice := at[c.ID]; twice {
			t.Errorf("two steps have the id %q", c.ID)
		}
		at[c.ID] = i
	}
	for _, e := range spec.Edges {
		from, okFrom := at[e.Origin]
		to, okTo := at[e.Target]
		if !okFrom || !okTo || from >= to {
			t.Errorf("the connection %s → %s leads from nothing, to nothing, or back", e.Origin, e.Target)
		}
		key := e.Origin + "." + e.OriginPort + ">" + e.Target + "." + e.TargetPort
		if seen[key] || seen[e.ID] {
			t.Errorf("the connection %s is there twice", key)
		}
		seen[key], seen[e.ID] = true, true
	}
}

// FuzzEdits presses buttons at random.
func FuzzEdits(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 2, 0, 3, 0, 4, 1, 5, 2, 6, 1})
	f.Fuzz(func(t *testing.T, presses []byte) {
		e, spec := testEditor(t), &v1alpha1.FlowSpec{}
		kinds := []string{"start", "plain", "fork", "end"}
		for i := 0; i+1 < min(len(presses), 200); i += 2 {
			id := "none"
			if n := len(spec.Components); n > 0 {
				id = spec.Components[int(presses[i+1])%n].ID
			}
			press(e, spec, presses[i]%7, id, kinds[int(presses[i+1])%len(kinds)])
			checkGraph(t, spec)
		}
	})
}

// press ignores refusals: they leave the flow as it was.
func press(e *Editor, spec *v1alpha1.FlowSpec, button byte, id, kind string) {
	var err error
	switch button {
	case 0:
		_, err = e.Add(spec, kind)
	case 1:
		_, err = e.AddAfter(spec, End{Step: id}, kind)
	case 2:
		err = e.Delete(spec, id)
	case 3, 4:
		err = e.Move(spec, id, button == 3)
	case 5:
		if n := len(spec.Components); n > 0 {
			err = e.Connect(spec, End{Step: id}, End{Step: spec.Components[n-1].ID})
		}
	case 6:
		if len(spec.Edges) > 0 {
			err = e.Disconnect(spec, spec.Edges[0].ID)
		}
	}
	var refusal Refusal
	if err != nil && !errors.As(err, &refusal) {
		panic(err)
	}
}

func TestSortCircle(t *testing.T) {
	t.Parallel()
	spec := flow("b:plain a:plain s:start", "a>b b>a s>a")
	Sort(spec)
	if got, want := describe(spec), "s b a | a>b b>a s>a"; got != want {
		t.Errorf("a draft with a circle keeps all its steps: got %q, want %q", got, want)
	}
}

func TestNamesAreFree(t *testing.T) {
	t.Parallel()
	e, spec := testEditor(t), &v1alpha1.FlowSpec{}
	for range 3 {
		if _, err := e.Add(spec, "plain"); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, c := range spec.Components {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"Plain", "Plain 2", "Plain 3"}, names); diff != "" {
		t.Errorf("names are how other steps refer to a step, so each is its own: -want +got\n%s", diff)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	e, spec := testEditor(t), &v1alpha1.FlowSpec{}
	for i := range maxSteps {
		spec.Components = append(spec.Components, v1alpha1.Component{ID: fmt.Sprint("s", i), Type: "start"})
	}
	if _, err := e.Add(spec, "plain"); !errors.Is(err, RefusedTooManySteps) {
		t.Errorf("a flow with %d steps takes no more: %v", maxSteps, err)
	}
}
