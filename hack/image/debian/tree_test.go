package debian

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/image"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		tree   Tree
		want   []string
	}{
		"Plain": {
			reason: "Only what is wanted is taken.",
			tree:   Tree{"bin/a": {Path: "bin/a"}, "usr/b": {Path: "usr/b"}},
			want:   []string{"bin/a"},
		},
		"RelativeLink": {
			reason: "What a link leads to comes along.",
			tree:   Tree{"bin/a": {Path: "bin/a", Link: "../usr/b"}, "usr/b": {Path: "usr/b"}},
			want:   []string{"bin/a", "usr/b"},
		},
		"AbsoluteLink": {
			reason: "An absolute link starts at the root of the image.",
			tree:   Tree{"bin/a": {Path: "bin/a", Link: "/usr/b"}, "usr/b": {Path: "usr/b"}},
			want:   []string{"bin/a", "usr/b"},
		},
		"DanglingLink": {
			reason: "A link into a package that was not unpacked is kept as it is.",
			tree:   Tree{"bin/a": {Path: "bin/a", Link: "/etc/alternatives/a"}},
			want:   []string{"bin/a"},
		},
		"LinkLoop": {
			reason: "Links that lead to each other end the search.",
			tree:   Tree{"bin/a": {Path: "bin/a", Link: "b"}, "bin/b": {Path: "bin/b", Link: "a"}},
			want:   []string{"bin/a", "bin/b"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entries, err := tc.tree.Select(func(p string) bool { return strings.HasPrefix(p, "bin/") })
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for _, e := range entries {
				got[e.Path] = true
			}
			if diff := cmp.Diff(tc.want, slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("%s\nSelect(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSelectRefusesBrokenPrograms(t *testing.T) {
	t.Parallel()
	tree := Tree{"bin/a": image.Entry{Path: "bin/a", Data: []byte("\x7fELF and nothing else")}}
	if _, err := tree.Select(func(string) bool { return true }); err == nil {
		t.Error("Select(...): a program that cannot be read must not end up in an image unnoticed")
	}
}
