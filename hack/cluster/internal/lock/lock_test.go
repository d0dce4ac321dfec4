package lock_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/lock"
)

func TestTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "below", "lock")
	first, err := lock.Take(t.Context(), path, time.Minute, func() { t.Error("a free lock is waited for") })
	if err != nil {
		t.Fatal(err)
	}
	waited := 0
	_, err = lock.Take(t.Context(), path, 10*time.Millisecond, func() { waited++ })
	if !errors.Is(err, context.DeadlineExceeded) || waited != 1 {
		t.Errorf("a held lock: %v, told %d times", err, waited)
	}
	// The second waits until the first lets go.
	released := false
	second, err := lock.Take(t.Context(), path, time.Minute, func() { released = true; first.Release() })
	if err != nil || !released {
		t.Fatalf("after the release: %v, waited %t", err, released)
	}
	second.Release()
}
