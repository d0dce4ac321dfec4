package servers

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStopLeavesNothing proves that both servers are gone after stop.
func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	if _, err := postgresBinary("initdb"); err != nil {
		t.Skip("Postgres is not installed; make deps installs it")
	}
	// Not t.TempDir: Postgres runs as another user, who cannot pass through it.
	dir, err := os.MkdirTemp("", "weft-services-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := New(dir)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.running(t.Context()) {
		t.Error("running(): want true after start")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, port := range []int{s.state.PostgresPort, s.state.RedisPort} {
		// Not by listening: somebody's outgoing connection may have the port.
		conn, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
		if err == nil {
			t.Errorf("port %d still answers after stop", port)
			conn.Close()
		}
	}
}

func TestReadPID(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   int
		failed bool
	}{
		"Postmaster": {reason: "Postgres writes more lines behind the id.", text: "4242\n/data\n", want: 4242},
		"Redis":      {reason: "Redis writes the id alone.", text: "17\n", want: 17},
		"Empty":      {reason: "An empty file must not become a signal to process group 0.", text: "", failed: true},
		"Negative":   {reason: "A negative id would signal a whole group.", text: "-1", failed: true},
		"Init":       {reason: "Process 1 is never ours.", text: "1", failed: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "pid")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readPID(path)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nreadPID(...): -want, +got:\n%s", tc.reason, diff)
			}
			if (err != nil) != tc.failed {
				t.Errorf("%s\nreadPID(...): error %v, want an error: %t", tc.reason, err, tc.failed)
			}
		})
	}
}
