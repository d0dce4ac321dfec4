package limits_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/limits"
)

func TestGateNeverLetsTooManyIn(t *testing.T) {
	t.Parallel()
	const limit = 7
	gate := limits.NewGate(limit)
	var inside, most, entered atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 200 {
				if !gate.Enter() {
					continue
				}
				entered.Add(1)
				n := inside.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				inside.Add(-1)
				gate.Leave()
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || entered.Load() == 0 || gate.Inside() != 0 {
		t.Errorf("%d were inside at once of %d that entered, and %d stayed", most.Load(), entered.Load(), gate.Inside())
	}
}

// endless never ends, and tells how much of it was read.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.read += int64(len(p))
	return len(p), nil
}

func TestBodies(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	cases := map[string]struct {
		reason string
		body   io.Reader
		length int64
		limit  int64
		want   error
		bytes  int
	}{
		"empty":            {"No body is a body.", strings.NewReader(""), 0, 10, nil, 0},
		"small":            {"A small body is read as a whole.", strings.NewReader("hello"), 5, 10, nil, 5},
		"in single bytes":  {"However it comes.", iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 10_000))), -1, 20_000, nil, 10_000},
		"exactly":          {"A body may be as large as the limit.", strings.NewReader("0123456789"), -1, 10, nil, 10},
		"too large":        {"And no larger.", strings.NewReader("0123456789a"), -1, 10, limits.ErrTooLarge, 0},
		"announced":        {"A body that announces too much is not read.", iotest.ErrReader(errors.New("was read")), 11, 10, limits.ErrTooLarge, 0},
		"announced little": {"An announcement is not believed.", strings.NewReader(strings.Repeat("x", 100)), 1, 200, nil, 100},
		"endless":          {"A body without end is cut off.", new(endless), -1, 1 << 19, limits.ErrTooLarge, 0},
		"beyond budget":    {"All bodies share one budget.", new(endless), -1, 1 << 30, limits.ErrBusy, 0},
		"broken":           {"An error of the connection is passed on.", iotest.ErrReader(broken), -1, 10, broken, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := limits.NewBodies(4 << 20)
			body, err := budget.Read(tc.body, tc.length, tc.limit)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%s\ngot %v, want %v", tc.reason, err, tc.want)
			}
			if err == nil {
				if diff := cmp.Diff(tc.bytes, len(body.Data)); diff != "" {
					t.Errorf("%s\nbytes (-want +got):\n%s", tc.reason, diff)
				}
				body.Release()
			}
			if e, ok := tc.body.(*endless); ok && e.read > 8<<20 {
				t.Errorf("%d bytes of an endless body were read", e.read)
			}
			full(t, budget)
		})
	}
}

// full checks that all of the budget is there again.
func full(t *testing.T, budget *limits.Bodies) {
	t.Helper()
	body, err := budget.Read(bytes.NewReader(make([]byte, 1<<20)), -1, 1<<20)
	if err != nil {
		t.Errorf("memory was not given back: %v", err)
		return
	}
	body.Release()
}

func TestReleasedMemoryIsThereForOthers(t *testing.T) {
	t.Parallel()
	budget := limits.NewBodies(64 << 10)
	first, err := budget.Read(bytes.NewReader(make([]byte, 20<<10)), -1, 1<<20)
	if err != nil {
		t.Fatalf("first: %v", err)
	}
	if _, err := budget.Read(bytes.NewReader(make([]byte, 20<<10)), -1, 1<<20); !errors.Is(err, limits.ErrBusy) {
		t.Errorf("second: got %v, want no memory", err)
	}
	first.Release()
	third, err := budget.Read(bytes.NewReader(make([]byte, 20<<10)), -1, 1<<20)
	if err != nil {
		t.Fatalf("third: %v", err)
	}
	third.Release()
}
