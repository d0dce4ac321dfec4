package proc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	type want struct {
		Start uint64
		State byte
		Fails bool
	}
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	cases := map[string]struct {
		reason string
		line   string
		want   want
	}{
		"Plain":       {reason: "the start time is field 22", line: "12 (etcd)" + tail, want: want{Start: 4711, State: 'S'}},
		"Parentheses": {reason: "a program may call itself anything", line: "12 (a) S 1 (b)" + tail, want: want{Start: 4711, State: 'S'}},
		"Short":       {reason: "a cut line is an error", line: "12 (etcd) S 1 2", want: want{Fails: true}},
		"NoName":      {reason: "a line without a name is an error", line: "12 etcd", want: want{Fails: true}},
		"NotANumber": {
			reason: "a start time that is no number is an error",
			line:   "12 (etcd) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20", want: want{Fails: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start, state, err := parseStat(tc.line)
			got := want{Start: start, State: state, Fails: err != nil}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	reused, rebooted := self, self
	reused.Start--
	rebooted.BootID = "another"
	cases := map[string]struct {
		reason string
		id     Identity
		want   bool
	}{
		"Self":     {reason: "this process runs", id: self, want: true},
		"Reused":   {reason: "a process with the pid but another start is another process", id: reused},
		"Rebooted": {reason: "a pid of another boot means nothing", id: rebooted},
		"Empty":    {reason: "no pid file means no process", id: Identity{}},
		"Init":     {reason: "pid 1 is never ours", id: Identity{PID: 1}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.id.Alive(); got != tc.want {
				t.Errorf("%s: got %t", tc.reason, got)
			}
			if !tc.want {
				if err := tc.id.Signal(syscall.SIGCONT); !errors.Is(err, os.ErrProcessDone) {
					t.Errorf("%s: a signal was sent: %v", tc.reason, err)
				}
			}
		})
	}
}

// TestAliveZombie: a process that ended but was not collected holds its pid.
func TestAliveZombie(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Of(cmd.Process.Pid)
	if err != nil || !id.Alive() {
		t.Fatalf("a running process is not alive: %v", err)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if id.Alive() {
		t.Error("a process that ended is alive")
	}
}

func TestPidFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pid")
	if id, err := Read(path); err != nil || id != (Identity{}) {
		t.Errorf("no file: got %v, %v", id, err)
	}
	want := Identity{PID: 42, Start: 7, BootID: "b"}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if err := os.WriteFile(path, []byte(`{"pid":4`), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := Read(path); err != nil || id != (Identity{}) {
		t.Errorf("half a file: got %v, %v", id, err)
	}
}

func TestWriteFileReplaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first", "second"} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "second" {
		t.Errorf("read %q, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("files left behind: %v, %v", entries, err)
	}
}
