package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/current"
	"github.com/weft-run/weft/hack/cluster/internal/kindmode"
	"github.com/weft-run/weft/hack/cluster/internal/local"
)

// settings is an environment with its directories in one place.
func settings(dir string, more ...string) func(string) string {
	env := map[string]string{"XDG_CACHE_HOME": filepath.Join(dir, "cache"), "WEFT_CLUSTER_DIR": filepath.Join(dir, "state")}
	for i := 0; i+1 < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return func(key string) string { return env[key] }
}

func TestChoose(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		mode   string
		exists bool
		want   any
		fails  bool
	}{
		"Current": {reason: "the caller's cluster is used", mode: "current", want: current.Cluster{}},
		"Kind":    {reason: "kind can be asked for", mode: "kind", want: kindmode.Cluster{}},
		"Local":   {reason: "a local node can be asked for next to a working Docker", mode: "local", want: local.Cluster{}},
		"Exists":  {reason: "a local cluster stays in use whatever became of Docker", exists: true, want: local.Cluster{}},
		"Typo":    {reason: "a word that is not known is an error and not the default", mode: "lokal", fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			env, err := newEnvironment(nil, nil, settings(dir, modeVariable, tc.mode), "")
			if err != nil {
				t.Fatal(err)
			}
			if tc.exists {
				if err := os.MkdirAll(env.state.Root, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			got, err := choose(t.Context(), env)
			if (err != nil) != tc.fails {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			if diff := cmp.Diff(typeName(tc.want), typeName(got)); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func typeName(v any) string {
	switch v.(type) {
	case current.Cluster:
		return "current"
	case kindmode.Cluster:
		return "kind"
	case local.Cluster:
		return "local"
	default:
		return "none"
	}
}

func TestRunUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"sideways"}, {"--no-such-flag"}} {
		var stdout, stderr bytes.Buffer
		if err := Run(t.Context(), args, &stdout, &stderr, settings(t.TempDir())); err == nil {
			t.Errorf("%v is accepted", args)
		}
		if stdout.Len() > 0 || !strings.Contains(stderr.String(), "usage: cluster") {
			t.Errorf("%v: usage belongs to standard error, got %q and %q", args, &stdout, &stderr)
		}
	}
	var stderr bytes.Buffer
	if err := Run(t.Context(), []string{"--help"}, nil, &stderr, settings(t.TempDir())); err != nil || stderr.Len() == 0 {
		t.Errorf("help: %q, %v", &stderr, err)
	}
}

func TestRunKubeconfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state", "kubeconfig")
	var stdout, stderr bytes.Buffer
	getenv := settings(dir, modeVariable, "local")
	if err := Run(t.Context(), []string{"kubeconfig"}, &stdout, &stderr, getenv); err == nil || stdout.Len() > 0 {
		t.Errorf("without a cluster: %v, printed %q", err, &stdout)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), []string{"kubeconfig"}, &stdout, &stderr, getenv); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(path+"\n", stdout.String()); diff != "" {
		t.Errorf("scripts read nothing but the path: -want +got\n%s", diff)
	}
}

func TestFindSource(t *testing.T) {
	t.Parallel()
	env := environment{}
	if err := env.findSource(); err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join("hack", "cluster"); !strings.HasSuffix(env.builder.Source, want) {
		t.Errorf("found %s from a folder inside, want …/%s", env.builder.Source, want)
	}
}
