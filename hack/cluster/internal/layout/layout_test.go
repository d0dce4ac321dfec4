package layout_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	type want struct {
		State, Cache string
		Fails        bool
	}
	cases := map[string]struct {
		reason string
		env    map[string]string
		want   want
	}{
		"Defaults": {
			reason: "without a wish the state is in /var/lib and the cache where the user's caches are",
			env:    map[string]string{"XDG_CACHE_HOME": "/home/me/.cache"},
			want:   want{State: "/var/lib/weft-cluster", Cache: "/home/me/.cache/weft"},
		},
		"Moved": {
			reason: "a moved state directory is cleaned, as it is compared with paths of the kernel",
			env:    map[string]string{"XDG_CACHE_HOME": "/c", "WEFT_CLUSTER_DIR": "/srv//weft/"},
			want:   want{State: "/srv/weft", Cache: "/c/weft"},
		},
		"Relative": {
			reason: "a relative directory would depend on where a command is started",
			env:    map[string]string{"XDG_CACHE_HOME": "/c", "WEFT_CLUSTER_DIR": "state"},
			want:   want{Fails: true},
		},
		"Root": {
			reason: "the state directory is deleted by down, so it is never the whole machine",
			env:    map[string]string{"XDG_CACHE_HOME": "/c", "WEFT_CLUSTER_DIR": "/x/.."},
			want:   want{Fails: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, cache, err := layout.FromEnvironment(func(key string) string { return tc.env[key] })
			got := want{State: state.Root, Cache: cache.Root, Fails: err != nil}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

// TestKubernetesVersion keeps the version that clients see equal to the one
// that is built.
func TestKubernetesVersion(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("../../cmd/node/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(module), "\tk8s.io/kubernetes "+layout.KubernetesVersion+"\n") {
		t.Errorf("cmd/node/go.mod does not require k8s.io/kubernetes %s", layout.KubernetesVersion)
	}
}
