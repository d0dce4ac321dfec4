package drawing

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() Options {
	return Options{
		Title:      "The flow",
		Kind:       func(stepType string) (string, string) { return "Kind " + stepType, "AI" },
		Port:       func(_, port string) string { return port },
		Href:       func(id string) string { return "#step-" + id },
		Marked:     map[string]bool{"b": true},
		MarkedText: "something is missing",
	}
}

func spec(steps []string, edges ...[3]string) *v1alpha1.FlowSpec {
	s := &v1alpha1.FlowSpec{}
	for _, id := range steps {
		s.Components = append(s.Components, v1alpha1.Component{ID: id, Type: "plain"})
	}
	for _, e := range edges {
		s.Edges = append(s.Edges, v1alpha1.Edge{ID: e[0] + e[2], Origin: e[0], OriginPort: e[1], Target: e[2]})
	}
	return s
}

func TestGolden(t *testing.T) {
	t.Parallel()
	branches := spec([]string{"a", "b", "c", "d"}, [3]string{"a", "yes", "b"}, [3]string{"a", "no", "c"}, [3]string{"b", "", "d"}, [3]string{"c", "", "d"})
	branches.Components[1].Name = `A <name> & "more" that is far too long`
	cases := map[string]struct {
		reason string
		spec   *v1alpha1.FlowSpec
	}{
		"empty":    {reason: "a flow without steps is an empty drawing", spec: spec(nil)},
		"chain":    {reason: "steps stand below one another", spec: spec([]string{"a", "b"}, [3]string{"a", "", "b"})},
		"branches": {reason: "two ways stand side by side and names are escaped", spec: branches},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := string(SVG(tc.spec, options()))
			wellFormed(t, got)
			file := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the drawing is not well-formed: %v", err)
		}
	}
}

func TestCircleEnds(t *testing.T) {
	t.Parallel()
	circle := spec([]string{"a", "b", "c"}, [3]string{"a", "", "b"}, [3]string{"b", "", "c"}, [3]string{"c", "", "a"}, [3]string{"a", "", "gone"})
	svg := string(SVG(circle, options()))
	wellFormed(t, svg)
	if got := strings.Count(svg, "<rect class=\"drawing-box\""); got != 3 {
		t.Errorf("a draft with a circle shows all its steps: %d boxes, want 3", got)
	}
}
