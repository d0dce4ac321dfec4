package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	maxTrustFile = 1 << 20
	// trustEvery is how often the file is looked at.
	trustEvery = 15 * time.Second
	// trustSoonest is the shortest time between two looks that failed tokens
	// cause.
	trustSoonest = time.Second
)

// trust verifies request tokens with the public keys of a file, and follows
// the file when it changes.
type trust struct {
	file     string
	log      *slog.Logger
	verifier *requesttoken.Verifier

	mu     sync.Mutex
	data   []byte
	looked time.Time
}

func newTrust(file string, log *slog.Logger) (*trust, error) {
	data, err := readFile(file, maxTrustFile)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of request tokens: %w", err)
	}
	set, err := requesttoken.ParseKeySet(data)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of request tokens: %w", err)
	}
	return &trust{file: file, log: log, verifier: requesttoken.NewVerifier(set), data: data, looked: time.Now()}, nil
}

// verify checks the token. The Verifier remembers tokens whose signature was
// right: the gateway sends one again for some seconds, and the check of a
// signature takes longer than a small run.
func (t *trust) verify(token string, e requesttoken.Expect) (requesttoken.Claims, error) {
	claims, err := t.verifier.Verify(token, e)
	if err == nil || !errors.Is(err, requesttoken.ErrInvalid) {
		return claims, err
	}
	// The key may be newer than what was read last.
	if !t.reload(trustSoonest) {
		return claims, err
	}
	return t.verifier.Verify(token, e)
}

// follow looks at the file until ctx ends: a key that was removed must not
// count any longer, whether or not a token fails.
func (t *trust) follow(ctx context.Context) {
	ticker := time.NewTicker(trustEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.reload(0)
		}
	}
}

// reload says whether there are other keys than before. A file that cannot be
// read or understood changes nothing.
func (t *trust) reload(soonest time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) < soonest {
		return false
	}
	t.looked = time.Now()
	data, err := readFile(t.file, maxTrustFile)
	if err == nil && bytes.Equal(data, t.data) {
		return false
	}
	var set requesttoken.KeySet
	if err == nil {
		set, err = requesttoken.ParseKeySet(data)
	}
	if err != nil {
		t.log.Warn("the keys of request tokens cannot be read; the former ones stay", "error", err)
		return false
	}
	t.data = data
	t.verifier.Replace(set)
	t.log.Info("the keys of request tokens were replaced", "keys", set.IDs())
	return true
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening a file: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}
