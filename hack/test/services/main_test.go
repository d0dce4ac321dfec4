package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		args   []string
		want   int
	}{
		"NoCommand":    {reason: "Without a command there is nothing to do.", want: 2},
		"Unknown":      {reason: "An unknown command is refused.", args: []string{"go"}, want: 2},
		"EmptyExec":    {reason: "exec without a program is refused.", args: []string{"exec", "--"}, want: 2},
		"CommandFails": {reason: "The command's own exit code is passed on.", args: []string{"exec", "--", "sh", "-c", "exit 7"}, want: 7},
		"Environment": {
			reason: "The command sees both addresses.",
			args:   []string{"exec", "--", "sh", "-c", `test -n "$WEFT_TEST_DATABASE_URL" && test -n "$WEFT_TEST_REDIS_URL"`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireServers(t, len(tc.args) > 2)
			got, err := run(t.Context(), tc.args, os.Stdout)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nrun(...): -want, +got:\n%s\nerror: %v", tc.reason, diff, err)
			}
		})
	}
}

// requireServers skips a case that starts servers where none are installed: the
// unit tests must run without Debian's packages.
func requireServers(t *testing.T, needed bool) {
	t.Helper()
	if !needed {
		return
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("initdb"); err != nil && len(found) == 0 {
		t.Skip("Postgres is not installed; make deps installs it")
	}
}
