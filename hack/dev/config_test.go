package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/dev/internal/images"
	"github.com/weft-run/weft/hack/dev/manifests"
)

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	root := repository(t)
	cases := map[string]struct {
		reason string
		env    map[string]string
		failed string // part of the message
	}{
		"Nothing":         {reason: "Nothing has to be set."},
		"Current":         {reason: "The user's own cluster.", env: map[string]string{"CLUSTER": "current", "REGISTRY": "registry.example.com/weft"}},
		"UnknownCluster":  {reason: "An unknown cluster must not start one of our own.", env: map[string]string{"CLUSTER": "kind"}, failed: "CLUSTER=kind"},
		"RegistryForOurs": {reason: "A registry that would be ignored is refused.", env: map[string]string{"REGISTRY": "registry.example.com"}, failed: "REGISTRY"},
		"NoAddress":       {reason: "An address needs a host.", env: map[string]string{"PUBLIC_URL": "weft"}, failed: "weft"},
		"NotTheRoot":      {reason: "A wrong folder is found out at once.", env: map[string]string{"WEFT_ROOT": t.TempDir()}, failed: "WEFT_ROOT"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"WEFT_ROOT": root}
			maps.Copy(env, tc.env)
			_, err := fromEnvironment(func(k string) string { return env[k] })
			if tc.failed == "" && err != nil {
				t.Errorf("%s\nfromEnvironment(...): %v", tc.reason, err)
			}
			if tc.failed != "" && (err == nil || !strings.Contains(err.Error(), tc.failed)) {
				t.Errorf("%s\nfromEnvironment(...): error %v, want one that names %q", tc.reason, err, tc.failed)
			}
		})
	}
}

func TestDatabaseImages(t *testing.T) {
	t.Parallel()
	made := built{databases: []images.Image{{Name: "postgres", Tag: "1"}, {Name: "redis", Tag: "2"}}}
	cases := map[string]struct {
		reason string
		config config
		built  built
		want   manifests.Images
	}{
		"Made":   {reason: "What was made is used.", built: made, want: manifests.Images{Postgres: "docker.io/weft/postgres:1", Redis: "docker.io/weft/redis:2"}},
		"Pushed": {reason: "What was pushed is pulled from there.", config: config{Registry: "r.example.com/x"}, built: made, want: manifests.Images{Postgres: "r.example.com/x/postgres:1", Redis: "r.example.com/x/redis:2"}},
		"Pulled": {reason: "Where none can be made, the well-known ones are pulled.", want: manifests.Images{Postgres: pulledPostgres, Redis: pulledRedis}},
		"Chosen": {reason: "A choice of the user wins.", config: config{PostgresImage: "p:1"}, built: made, want: manifests.Images{Postgres: "p:1", Redis: "docker.io/weft/redis:2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnvironment(tc.config, os.Stderr)
			if diff := cmp.Diff(tc.want, e.databaseImages(tc.built)); diff != "" {
				t.Errorf("%s\ndatabaseImages(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// repository makes what is looked for in the root of the repository.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	chart := filepath.Join(root, "charts", "weft")
	if err := os.MkdirAll(chart, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(chart, "Chart.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}
