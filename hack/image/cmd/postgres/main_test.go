package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEnsure makes a cluster with tools of the test's own, which record how
// they are called. It changes PATH, so it is not parallel.
func TestEnsure(t *testing.T) {
	cases := map[string]struct {
		reason string
		before func(t *testing.T, c config)
		initdb string // a program for the shell
		made   bool   // whether initdb must have been called
		failed bool
	}{
		"Empty": {
			reason: "A cluster is made where there is none.",
			before: func(*testing.T, config) {},
			initdb: `for a in "$@"; do case "$a" in --pgdata=*) d="${a#--pgdata=}";; esac; done; mkdir "$d" && touch "$d/PG_VERSION" "$d/pg_hba.conf"`,
			made:   true,
		},
		"Exists": {
			reason: "A cluster that is there is only taken back from the group.",
			before: func(t *testing.T, c config) { t.Helper(); mkdir(t, c.data, 0o770, "PG_VERSION") },
			initdb: "exit 1",
		},
		"Interrupted": {
			reason: "What an interrupted run left is thrown away.",
			before: func(t *testing.T, c config) { t.Helper(); mkdir(t, c.data+".new", 0o700, "PG_VERSION") },
			initdb: `for a in "$@"; do case "$a" in --pgdata=*) d="${a#--pgdata=}";; esac; done; mkdir "$d" && touch "$d/PG_VERSION" "$d/pg_hba.conf"`,
			made:   true,
		},
		"InitFails": {
			reason: "A cluster that could not be made is not served.",
			before: func(*testing.T, config) {},
			initdb: "exit 1",
			failed: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			bin, home := t.TempDir(), t.TempDir()
			script := "#!/bin/sh\ntouch " + home + "/called\n" + tc.initdb + "\n"
			if err := os.WriteFile(filepath.Join(bin, "initdb"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", bin+":/usr/bin:/bin")
			c := config{data: filepath.Join(home, "cluster"), user: "postgres", passwordFile: "/dev/null", scripts: filepath.Join(home, "none")}
			tc.before(t, c)
			if err := c.ensure(t.Context()); (err != nil) != tc.failed {
				t.Fatalf("%s\nensure(): error %v, want an error: %t", tc.reason, err, tc.failed)
			}
			_, err := os.Stat(filepath.Join(home, "called"))
			if made := err == nil; made != (tc.made || tc.failed) {
				t.Errorf("%s\ninitdb was called: %t", tc.reason, made)
			}
			info, err := os.Stat(c.data)
			if tc.failed {
				if err == nil {
					t.Errorf("%s\n%s exists", tc.reason, c.data)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "Exists" && info.Mode().Perm() != 0o700 {
				t.Errorf("%s\nmode of the data directory: %o, want 700", tc.reason, info.Mode().Perm())
			}
			if tc.made {
				hba, err := os.ReadFile(filepath.Join(c.data, "pg_hba.conf"))
				if diff := cmp.Diff("host all all all scram-sha-256\n", string(hba)); err != nil || diff != "" {
					t.Errorf("%s\npg_hba.conf: %v -want, +got:\n%s", tc.reason, err, diff)
				}
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), nil); err == nil {
		t.Error("run(): want an error where no program is named")
	}
	if err := (config{}).ensure(t.Context()); err == nil {
		t.Error("ensure(): want an error without a data directory")
	}
}

func mkdir(t *testing.T, dir string, mode os.FileMode, file string) {
	t.Helper()
	if err := os.Mkdir(dir, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
