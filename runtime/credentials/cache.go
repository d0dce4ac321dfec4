package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

const (
	// refreshEvery is how often all keys are fetched again.
	refreshEvery = time.Minute
	// askAgainAfter is the shortest time between two fetches of a key that is
	// missing or that a service refused: callers cannot make this pod flood
	// the vault.
	askAgainAfter = 5 * time.Second
)

// Fetcher is what Cache needs of the vault.
type Fetcher interface {
	Fetch(ctx context.Context, names []string, requestToken string) (map[string]catalog.Secret, error)
}

// Cache keeps the keys of one flow. A key stays as it was while the vault is
// not available, and is forgotten when the vault denies it.
type Cache struct {
	vault Fetcher
	names []string
	log   *slog.Logger

	fetching sync.Mutex // held by whoever fetches
	mu       sync.RWMutex
	keys     map[string]catalog.Secret
	problems map[string]error
	asked    time.Time
	stale    bool
}

// NewCache returns a cache for the keys of these names, and of no others.
func NewCache(vault Fetcher, names []string, log *slog.Logger) *Cache {
	return &Cache{
		vault: vault, names: names, log: log,
		keys: map[string]catalog.Secret{}, problems: map[string]error{},
	}
}

// Run fetches the keys, and again every minute, until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	if len(c.names) == 0 {
		return
	}
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		c.fetching.Lock()
		c.refresh(ctx)
		c.fetching.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Expire is called when a service has refused a key: the next run fetches it
// again, as it may have been replaced.
func (c *Cache) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = true
}

// Key implements Keys.
func (c *Cache) Key(ctx context.Context, name string) (catalog.Secret, error) {
	key, problem, ask := c.lookup(name)
	if !ask {
		return key, problem
	}
	c.fetching.Lock()
	defer c.fetching.Unlock()
	// Another may have fetched it while this one waited.
	if key, problem, ask = c.lookup(name); !ask {
		return key, problem
	}
	c.refresh(ctx)
	key, problem, _ = c.lookup(name)
	return key, problem
}

// lookup returns what is known, and whether the vault should be asked first.
func (c *Cache) lookup(name string) (key catalog.Secret, problem error, ask bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	key, found := c.keys[name]
	problem = c.problems[name]
	ask = (c.stale || !found) && time.Since(c.asked) >= askAgainAfter
	switch {
	case found:
		return key, nil, ask
	case problem == nil:
		problem = unavailable(name, ErrUnavailable)
	}
	return key, problem, ask
}

// refresh fetches all keys. A flow without all of its keys still runs as far
// as it can: where the vault denies them together, each is asked for alone.
func (c *Cache) refresh(ctx context.Context) {
	keys, err := c.vault.Fetch(ctx, c.names, "")
	if err == nil || !errors.Is(err, ErrDenied) || len(c.names) == 1 {
		c.store(c.names, keys, err)
		return
	}
	for _, name := range c.names {
		keys, err := c.vault.Fetch(ctx, []string{name}, "")
		c.store([]string{name}, keys, err)
	}
}

func (c *Cache) store(names []string, keys map[string]catalog.Secret, err error) {
	if err != nil {
		c.log.Warn("fetching keys from the vault failed", "keys", names, "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.stale = time.Now(), false
	for _, name := range names {
		switch {
		case err == nil:
			c.keys[name] = keys[name]
			delete(c.problems, name)
		case errors.Is(err, ErrDenied):
			delete(c.keys, name)
			c.problems[name] = denied(name, err)
		default:
			c.problems[name] = unavailable(name, err)
		}
	}
}

func denied(name string, cause error) error {
	return unauthorized(fmt.Sprintf("The key %q is not there for this flow. Check on the Keys page that it exists and may be used here.", name), cause)
}

func unavailable(name string, cause error) error {
	return &catalog.Error{
		Code:    v1alpha1.ErrorUpstream,
		Message: fmt.Sprintf("The key %q could not be fetched from the vault. Try again in a minute.", name),
		Cause:   cause,
	}
}
