package components_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/graph"
)

func all(t *testing.T) *catalog.Catalog {
	t.Helper()
	cat, err := components.Catalog()
	if err != nil {
		t.Fatalf("assembling the catalogue: %v", err)
	}
	return cat
}

// each runs a check for every component type.
func each(t *testing.T, check func(t *testing.T, c *catalog.Component)) {
	t.Helper()
	for _, c := range all(t).All() {
		t.Run(c.Type, func(t *testing.T) {
			t.Parallel()
			check(t, c)
		})
	}
}

// TestTypes is the list of types. A new one is added here, and with it to the
// tests that go over every type: isolation_test.go wants to know how it meets
// a hostile world.
func TestTypes(t *testing.T) {
	t.Parallel()
	var got []string
	for _, c := range all(t).All() {
		got = append(got, c.Type)
	}
	slices.Sort(got)
	want := []string{"http-request", "if", "input", "openai-chat", "output", "practice-chat", "set-fields", "text-template"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range got {
		if _, ok := hostileParams()[name]; !ok {
			t.Errorf("isolation_test.go does not know %s", name)
		}
	}
}

func TestEachIsDescribed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *catalog.Component) {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(c.Type) {
			t.Error("the type is not lower-case words with hyphens")
		}
		if c.Title == "" || c.Since == "" || c.Run == nil {
			t.Error("title, since or run is missing")
		}
		if !strings.HasSuffix(c.Summary, ".") || strings.Count(c.Summary, ". ") > 0 || len(c.Summary) > 140 {
			t.Errorf("the summary is not one short sentence: %q", c.Summary)
		}
		if len(c.Help) < 100 || strings.Contains(c.Help, "TODO") {
			t.Errorf("the help is too short to help: %q", c.Help)
		}
		groups := []catalog.Group{catalog.GroupStart, catalog.GroupAI, catalog.GroupLogic, catalog.GroupConnect, catalog.GroupFiles, catalog.GroupEnd}
		if !slices.Contains(groups, c.Group) {
			t.Errorf("the group %q is none", c.Group)
		}
		if c.Timeout <= 0 || c.Timeout > 5*time.Minute {
			t.Errorf("a time-out of %s", c.Timeout)
		}
		if c.Credential != nil && (c.Credential.Provider == "" || c.Credential.Title == "") {
			t.Error("the credential is not described")
		}
		if len(c.Examples) == 0 {
			t.Error("there is no example")
		}
		if !c.Trigger && len(c.Inputs) == 0 {
			t.Error("nothing can come in")
		}
	})
}

func TestEachHasPorts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *catalog.Component) {
		if len(c.Outputs) == 0 {
			t.Error("there is no output port")
		}
		for _, ports := range [][]catalog.Port{c.Inputs, c.Outputs} {
			seen := map[string]bool{catalog.ErrorPort: true}
			for _, port := range ports {
				if port.Name == "" || seen[port.Name] {
					t.Errorf("the name of port %q is missing, taken or reserved", port.Name)
				}
				seen[port.Name] = true
				if port.Title == "" || !sentences(port.Help) || port.Type == "" {
					t.Errorf("port %s is not described: %+v", port.Name, port)
				}
			}
		}
	})
}

func sentences(text string) bool {
	return strings.HasSuffix(text, ".") || strings.HasSuffix(text, ".)")
}

func TestEachFieldIsDescribedAndBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *catalog.Component) {
		checkFields(t, c.Type, c.Fields)
	})
}

func checkFields(t *testing.T, of string, fields []catalog.Field) {
	t.Helper()
	seen := map[string]catalog.Field{}
	for _, f := range fields {
		path := of + "." + f.Name
		if _, taken := seen[f.Name]; taken || !regexp.MustCompile(`^[a-z][A-Za-z]*$`).MatchString(f.Name) {
			t.Errorf("%s: the name is taken or odd", path)
		}
		if f.Label == "" || !sentences(f.Help) {
			t.Errorf("%s: label or help is missing: %q", path, f.Help)
		}
		for _, problem := range boundsOf(f) {
			t.Errorf("%s: %s", path, problem)
		}
		if f.ShownIf != nil {
			other, known := seen[f.ShownIf.Field]
			if !known || !offers(other, f.ShownIf.Values) {
				t.Errorf("%s: shown if %+v, which never happens", path, *f.ShownIf)
			}
		}
		seen[f.Name] = f
		checkFields(t, path, f.Items)
	}
}

func boundsOf(f catalog.Field) (problems []string) {
	need := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, problem)
		}
	}
	switch f.Type {
	case catalog.FieldNumber:
		need(f.Min != nil && f.Max != nil && *f.Min < *f.Max, "a number needs bounds")
		if n, ok := f.Default.(float64); ok {
			need(n >= *f.Min && n <= *f.Max, "the default is out of bounds")
		} else {
			need(f.Default == nil, "the default is no number")
		}
	case catalog.FieldString:
		need(f.MaxLength > 0, "a line of text needs a bound")
	case catalog.FieldCondition:
		need(f.MaxLength > 0, "a condition needs a bound")
	case catalog.FieldMap, catalog.FieldList, catalog.FieldStringList:
		need(f.Max != nil && *f.Max > 0, "a list needs a bound")
		need((f.Type == catalog.FieldList) == (len(f.Items) > 0), "a list of objects needs their fields")
	case catalog.FieldSelect:
		need(len(f.Options) > 1, "a choice needs choices")
		text, _ := f.Default.(string)
		need(offers(f, []string{text}), "the default is none of the choices")
	case catalog.FieldBoolean:
		_, ok := f.Default.(bool)
		need(ok, "a yes or no needs a default")
	case catalog.FieldText, catalog.FieldJSON:
	default:
		need(false, "unknown type "+string(f.Type))
	}
	return problems
}

func offers(f catalog.Field, values []string) bool {
	for _, value := range values {
		if !slices.ContainsFunc(f.Options, func(o catalog.Option) bool { return o.Value == value && o.Label != "" }) {
			return false
		}
	}
	return len(values) > 0
}

// flowAround puts a component between an input and an output, as far as it is
// not one itself.
func flowAround(c *catalog.Component, params map[string]any) (*v1alpha1.FlowSpec, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("encoding params: %w", err)
	}
	x := v1alpha1.Component{ID: "x", Type: c.Type, Name: "subject", Params: &runtime.RawExtension{Raw: raw}}
	if c.Credential != nil {
		x.Credential = &v1alpha1.Credential{VaultKeyRef: &v1alpha1.VaultKeyRef{Name: "key"}}
	}
	spec := &v1alpha1.FlowSpec{Components: []v1alpha1.Component{x}}
	if !c.Trigger {
		spec.Components = append(spec.Components, v1alpha1.Component{ID: "in", Type: "input", Name: "start"})
		spec.Edges = append(spec.Edges, v1alpha1.Edge{ID: "e1", Origin: "in", Target: "x"})
	}
	if !c.Terminal {
		spec.Components = append(spec.Components, v1alpha1.Component{ID: "out", Type: "output", Name: "end"})
		spec.Edges = append(spec.Edges, v1alpha1.Edge{ID: "e2", Origin: "x", Target: "out"})
	}
	return spec, nil
}

func TestEachExampleIsValid(t *testing.T) {
	t.Parallel()
	cat := all(t)
	each(t, func(t *testing.T, c *catalog.Component) {
		for _, example := range c.Examples {
			if example.Title == "" {
				t.Error("an example has no title")
			}
			spec, err := flowAround(c, example.Params)
			if err != nil {
				t.Fatalf("%s: %v", example.Title, err)
			}
			for _, problem := range graph.Validate(spec, cat) {
				t.Errorf("example %q: %+v", example.Title, problem)
			}
		}
	})
}

// TestSpecsAreData: the editor gets them as JSON, and nothing is lost on the
// way.
func TestSpecsAreData(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *catalog.Component) {
		data, err := json.Marshal(c.Spec)
		if err != nil {
			t.Fatalf("encoding: %v", err)
		}
		var back catalog.Spec
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("decoding: %v", err)
		}
		again, err := json.Marshal(back)
		if err != nil {
			t.Fatalf("encoding again: %v", err)
		}
		if diff := cmp.Diff(string(data), string(again)); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}
