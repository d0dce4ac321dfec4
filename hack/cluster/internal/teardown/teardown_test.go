package teardown

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckState(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		files  []string
		fails  bool
	}{
		"Empty":   {reason: "a new directory may become a cluster's"},
		"Cluster": {reason: "a directory with a journal is a cluster's", files: []string{"journal.json", "log/x.log"}},
		"Killed":  {reason: "a first start that was killed leaves half a journal", files: []string{".tmp-123"}},
		"Home":    {reason: "a person's files must not be deleted by down", files: []string{"thesis.tex"}, fails: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := layout.State{Root: t.TempDir()}
			for _, file := range tc.files {
				write(t, filepath.Join(state.Root, file), "")
			}
			if err := CheckState(state); (err != nil) != tc.fails {
				t.Errorf("%s: %v", tc.reason, err)
			}
		})
	}
	if err := CheckState(layout.State{Root: "/no/such/directory"}); err != nil {
		t.Errorf("no directory: %v", err)
	}
}

func TestRemoveState(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: filepath.Join(t.TempDir(), "state")}
	write(t, state.Journal(), "{}")
	write(t, state.Log("etcd"), "")
	for range 2 { // the second time there is nothing left
		if err := removeState(state); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(state.Root); !os.IsNotExist(err) {
			t.Errorf("the state directory is left: %v", err)
		}
	}
}

func TestShimSocket(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"unix:///run/containerd/s/e217":           true,
		"unix:///run/containerd/s/e217\n":         true,
		"unix:///run/containerd/containerd.sock":  false,
		"unix:///run/containerd/s/../docker.sock": false,
		"/run/containerd/s/e217":                  false,
		"":                                        false,
	} {
		if path, got := shimSocket(address); got != want {
			t.Errorf("%q: %s is a shim's socket: %t", address, path, got)
		}
	}
}

func TestAbandoned(t *testing.T) {
	t.Parallel()
	list := `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 1183 /run/containerd/s/alive
0000000000000000: 00000003 00000000 00000000 0001 03 1184
`
	dead := abandoned(list)
	if dead("/run/containerd/s/alive") || !dead("/run/containerd/s/dead") {
		t.Error("only sockets that nobody listens on are abandoned")
	}
}

func TestNamespaceBelow(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		content string
		want    bool
	}{
		"Ours":    {reason: "our pods' namespaces are in our directory", content: `{"result":{"interfaces":[{"name":"v"},{"sandbox":"/state/run/netns/1"}]}}`, want: true},
		"Others":  {reason: "another runtime's are elsewhere", content: `{"result":{"interfaces":[{"sandbox":"/run/netns/1"}]}}`},
		"Similar": {reason: "a directory with a longer name is another", content: `{"result":{"interfaces":[{"sandbox":"/state2/1"}]}}`},
		"Damaged": {reason: "what cannot be read is not ours", content: `{"result":`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "result")
			write(t, path, tc.content)
			if got := namespaceBelow(path, "/state"); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
		})
	}
}

func TestRemoveMatching(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	for link, target := range map[string]string{"ours.log": "/state/log/pods/a/0.log", "theirs.log": "/var/log/pods/b/0.log"} {
		if err := os.MkdirAll(logs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(logs, link)); err != nil {
			t.Fatal(err)
		}
	}
	err := removeMatching(logs, func(path string) bool { return linksInto(path, "/state/log/pods") })
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(logs)
	if err != nil || len(entries) != 1 || entries[0].Name() != "theirs.log" {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := removeMatching(filepath.Join(dir, "absent"), func(string) bool { return true }); err != nil {
		t.Errorf("a directory that was never made: %v", err)
	}
}
