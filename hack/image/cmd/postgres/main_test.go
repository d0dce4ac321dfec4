package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAnExistingClusterLosesGroupRightsAndNothingElse(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "cluster")
	if err := os.Mkdir(data, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o2770); err != nil { // as a volume's group leaves it
		t.Fatal(err)
	}
	version := filepath.Join(data, "PG_VERSION")
	if err := os.WriteFile(version, []byte("15\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config{data: data, passwordFile: "unused"}
	if err := c.ensure(t.Context()); err != nil {
		t.Fatalf("ensure: %v", err)
	}
	info, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the server starts with 0700 only: got %o", got)
	}
	if content, err := os.ReadFile(version); err != nil || string(content) != "15\n" {
		t.Errorf("what is in the cluster must stay: %q, %v", content, err)
	}
}
