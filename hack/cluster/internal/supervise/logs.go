package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// checkLogs is how often the sizes are looked at.
const checkLogs = 10 * time.Second

// CapLogs keeps each log below about twice the limit, in bytes, until ctx ends.
func CapLogs(ctx context.Context, logger *slog.Logger, limit int64, paths ...string) {
	ticker := time.NewTicker(checkLogs)
	defer ticker.Stop()
	for {
		for _, path := range paths {
			if err := capLog(path, limit); err != nil {
				logger.Error("cannot cut a log", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// capLog moves the content of a log that is too long to path.1. The writers
// have it open in append mode and go on at its new end; a line written between
// the copy and the cut is lost.
func capLog(path string, limit int64) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() <= limit) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at log %s: %w", path, err)
	}
	if err := copyTail(path, path+".1", limit); err != nil {
		return fmt.Errorf("copy log %s: %w", path, err)
	}
	if err := os.Truncate(path, 0); err != nil {
		return fmt.Errorf("cut log %s: %w", path, err)
	}
	return nil
}

// copyTail copies the last limit bytes.
func copyTail(from, to string, limit int64) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	_, err = source.Seek(-limit, io.SeekEnd)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	_, err = io.Copy(target, io.LimitReader(source, limit))
	return errors.Join(err, target.Close(), source.Close())
}
