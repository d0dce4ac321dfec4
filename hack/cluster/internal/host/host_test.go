package host

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	all := []tool{{"a", "one", ""}, {"b", "one", ""}, {"c", "two", ""}, {"d", "three", ""}}
	cases := map[string]struct {
		reason string
		have   string
		want   []string
	}{
		"Nothing": {reason: "all packages are asked for once", want: []string{"one", "two", "three"}},
		"Some":    {reason: "a package is needed if one of its tools is absent", have: "a c", want: []string{"one", "three"}},
		"All":     {reason: "a complete machine needs nothing", have: "a b c d"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := missing(all, func(path string) bool { return strings.Contains(tc.have, path) })
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestToolsAreComplete(t *testing.T) {
	t.Parallel()
	for _, tool := range tools() {
		if tool.path == "" || tool.pkg == "" || tool.purpose == "" {
			t.Errorf("incomplete: %+v", tool)
		}
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	got := Path("/usr/local/go/bin:/usr/bin")
	if want := "/usr/local/go/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin:/bin"; got != want {
		t.Errorf("the caller's directories come first: got %s, want %s", got, want)
	}
	if again := Path(got); again != got {
		t.Errorf("directories are added twice: %s", again)
	}
}
