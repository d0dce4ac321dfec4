package supervise

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bench is a supervisor of shell scripts in a directory of its own.
type bench struct {
	t      *testing.T
	dir    string
	cancel context.CancelFunc
	done   chan error
}

func script(name, text string, ready func(context.Context) error) Component {
	return Component{
		Name: name, Args: []string{"sh", "-c", text}, Ready: ready,
		ReadyWithin: time.Minute, StopWithin: 10 * time.Second,
	}
}

func begin(t *testing.T, waves func(dir string) [][]Component) bench {
	t.Helper()
	b := bench{t: t, dir: t.TempDir(), done: make(chan error, 1)}
	s, err := New(Options{
		Waves:  waves(b.dir),
		Status: filepath.Join(b.dir, "status.json"),
		Log:    func(name string) string { return filepath.Join(b.dir, name+".log") },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	go func() { b.done <- s.Run(ctx) }()
	return b
}

// until waits for a status.
func (b bench) until(reason string, condition func(Status) bool) {
	b.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		status, err := ReadStatus(filepath.Join(b.dir, "status.json"))
		if err != nil {
			b.t.Fatal(err)
		}
		if condition(status) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: last status %+v", reason, status)
		}
		select {
		case <-b.t.Context().Done():
			b.t.Fatal(reason)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (b bench) end() {
	b.t.Helper()
	b.cancel()
	if err := <-b.done; err != nil {
		b.t.Fatal(err)
	}
}

func always(context.Context) error { return nil }

// exists succeeds once a script has made the file.
func exists(path string) func(context.Context) error {
	return func(context.Context) error {
		_, err := os.Stat(path)
		return err
	}
}

func TestWavesStartAndStopInOrder(t *testing.T) {
	t.Parallel()
	// Each component writes into one file when it starts and when it is asked
	// to end; the first only becomes ready by what it wrote.
	text := func(dir, name string) string {
		return `trap 'echo stop-` + name + ` >> ` + dir + `/order; exit 0' TERM; echo start-` + name + ` >> ` + dir + `/order; while :; do sleep 0.05; done`
	}
	b := begin(t, func(dir string) [][]Component {
		return [][]Component{
			{script("first", text(dir, "first"), exists(filepath.Join(dir, "order")))},
			{script("second", text(dir, "second"), func(context.Context) error {
				data, err := os.ReadFile(filepath.Join(dir, "order"))
				if err == nil && !strings.Contains(string(data), "start-second") {
					err = errors.New("not yet")
				}
				return err
			})},
		}
	})
	b.until("both become ready", Status.Ready)
	b.end()
	got, err := os.ReadFile(filepath.Join(b.dir, "order"))
	want := "start-first\nstart-second\nstop-second\nstop-first\n"
	if err != nil || string(got) != want {
		t.Errorf("order is %q, %v, want %q", got, err, want)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "status.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a stopped supervisor leaves a status that says ready: %v", err)
	}
}

// TestStoppingIsSaid: whoever looks while a component takes its time to end must
// not take the last state for the present one.
func TestStoppingIsSaid(t *testing.T) {
	t.Parallel()
	b := begin(t, func(dir string) [][]Component {
		text := `trap 'while [ ! -e ` + dir + `/seen ]; do sleep 0.02; done; exit 0' TERM; touch ` + dir + `/up; while :; do sleep 0.02; done`
		return [][]Component{{script("slow", text, exists(filepath.Join(dir, "up")))}}
	})
	b.until("it becomes ready", Status.Ready)
	b.cancel()
	b.until("the status says that it is being stopped", func(s Status) bool { return s.Stopping && !s.Ready() })
	if err := os.WriteFile(filepath.Join(b.dir, "seen"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.end()
}

func TestNextWaveWaits(t *testing.T) {
	t.Parallel()
	b := begin(t, func(dir string) [][]Component {
		return [][]Component{
			{script("first", "exec sleep 60", func(context.Context) error { return errors.New("never") })},
			{script("second", "exec sleep 60", always)},
		}
	})
	b.until("the first is starting and says why", func(s Status) bool {
		return len(s.Components) == 2 && s.Components[0].State == Starting && s.Components[0].Message == "never"
	})
	b.until("the second has not been started", func(s Status) bool { return s.Components[1].State == Pending })
	b.end()
}

func TestRestart(t *testing.T) {
	t.Parallel()
	b := begin(t, func(dir string) [][]Component {
		// It fails at its first start and stays at its second.
		text := `if [ -e ` + dir + `/again ]; then exec sleep 60; fi; touch ` + dir + `/again; echo sorry >&2; exit 7`
		return [][]Component{{script("flaky", text, exists(filepath.Join(dir, "again")))}}
	})
	b.until("it is started again", func(s Status) bool {
		return len(s.Components) == 1 && s.Components[0].Restarts == 1 && s.Ready()
	})
	b.end()
	log, err := os.ReadFile(filepath.Join(b.dir, "flaky.log"))
	if err != nil || string(log) != "sorry\n" {
		t.Errorf("log is %q, %v", log, err)
	}
}

func TestNotReadyInTime(t *testing.T) {
	t.Parallel()
	var starts atomic.Int32
	b := begin(t, func(dir string) [][]Component {
		slow := script("slow", "exec sleep 60", func(context.Context) error {
			starts.Add(1)
			return errors.New("still loading")
		})
		slow.ReadyWithin = 20 * time.Millisecond
		return [][]Component{{slow}}
	})
	b.until("a program that hangs is ended and started again, and the status says why", func(s Status) bool {
		return len(s.Components) == 1 && s.Components[0].Restarts >= 1 && s.Components[0].State == Waiting &&
			strings.Contains(s.Components[0].Message, "still loading")
	})
	b.end()
	if starts.Load() == 0 {
		t.Error("readiness was never asked for")
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	b := begin(t, func(string) [][]Component {
		c := script("absent", "", always)
		c.Args = []string{"/no/such/program"}
		return [][]Component{{c}}
	})
	b.until("the status names the program", func(s Status) bool {
		return len(s.Components) == 1 && strings.Contains(s.Components[0].Message, "/no/such/program")
	})
	b.end()
}

func TestNewRefusesIncomplete(t *testing.T) {
	t.Parallel()
	complete := script("x", "exit", always)
	for reason, spoil := range map[string]func(*Component){
		"no readiness check":       func(c *Component) { c.Ready = nil },
		"no time limit to start":   func(c *Component) { c.ReadyWithin = 0 },
		"no time limit to stop":    func(c *Component) { c.StopWithin = 0 },
		"no program to be started": func(c *Component) { c.Args = nil },
	} {
		c := complete
		spoil(&c)
		if _, err := New(Options{Waves: [][]Component{{c}}, Status: filepath.Join(t.TempDir(), "s")}); err == nil {
			t.Errorf("accepted: %s", reason)
		}
	}
}

func TestStatusReady(t *testing.T) {
	t.Parallel()
	for reason, tc := range map[string]struct {
		states []State
		want   bool
	}{
		"nothing runs":   {},
		"all are ready":  {states: []State{Ready, Ready}, want: true},
		"one starts":     {states: []State{Ready, Starting}},
		"one has failed": {states: []State{Waiting, Ready}},
	} {
		var s Status
		for _, state := range tc.states {
			s.Components = append(s.Components, Entry{State: state})
		}
		if got := s.Ready(); got != tc.want {
			t.Errorf("%s: ready is %t", reason, got)
		}
		s.Stopping = true
		if s.Ready() {
			t.Errorf("%s: what is being stopped is not ready", reason)
		}
	}
}

func TestCapLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	writer, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if _, err := writer.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("0123456789")
	if err := capLog(path, 10); err != nil {
		t.Fatal(err)
	}
	assertFile(t, "a log at the limit stays", path, "0123456789")
	write("abc")
	if err := capLog(path, 10); err != nil {
		t.Fatal(err)
	}
	assertFile(t, "the last bytes of a longer one move away", path+".1", "3456789abc")
	write("next")
	assertFile(t, "the program goes on at the new end", path, "next")
	if err := errors.Join(writer.Close(), capLog(path+".absent", 10)); err != nil {
		t.Errorf("a log that does not exist yet: %v", err)
	}
}

func assertFile(t *testing.T, reason, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s: %q, %v, want %q", reason, got, err, want)
	}
}
