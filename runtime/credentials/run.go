package credentials

import (
	"context"
	"errors"
	"sync"

	"github.com/weft-run/weft/runtime/catalog"
)

// RunKeys fetches the keys of one test run, in the name of the person who runs
// it. They are forgotten with the run: the next person may have other rights.
type RunKeys struct {
	vault Fetcher
	token string

	mu    sync.Mutex
	known map[string]result
}

type result struct {
	key catalog.Secret
	err error
}

// NewRunKeys returns the keys of the run that the request token stands for.
func NewRunKeys(vault Fetcher, requestToken string) *RunKeys {
	return &RunKeys{vault: vault, token: requestToken, known: map[string]result{}}
}

// Prefetch fetches the keys of these names at once, at the beginning of the
// run: the request token is good for a short time only. Problems show where a
// component needs the key.
func (k *RunKeys) Prefetch(ctx context.Context, names []string) {
	if len(names) == 0 {
		return
	}
	keys, err := k.vault.Fetch(ctx, names, k.token)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, key := range keys {
		k.known[name] = result{key: key}
	}
}

// Key implements Keys.
func (k *RunKeys) Key(ctx context.Context, name string) (catalog.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.known[name]; ok {
		return known.key, known.err
	}
	keys, err := k.vault.Fetch(ctx, []string{name}, k.token)
	found := result{key: keys[name]}
	switch {
	case errors.Is(err, ErrDenied):
		found.err = denied(name, err)
	case err != nil:
		found.err = unavailable(name, err)
	}
	k.known[name] = found
	return found.key, found.err
}
