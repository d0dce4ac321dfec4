// Package lock makes commands that change the same thing wait for each other.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// poll is how often a waiting command looks whether the lock is free.
const poll = 200 * time.Millisecond

// Lock is held until Release or until the process ends, however it ends.
type Lock struct{ file *os.File }

// Take waits for the lock at most for the timeout. It calls waiting once if it
// cannot have it at once.
func Take(ctx context.Context, path string, timeout time.Duration, waiting func()) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the lock: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for first := true; ; first = false {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return &Lock{file}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: still held by another process: %w", path, ctx.Err()), file.Close())
		case <-time.After(poll):
		}
	}
}

// Release lets the next one in.
func (l *Lock) Release() {
	_ = l.file.Close() // closing gives the lock back; there is nothing to lose in the file
}
