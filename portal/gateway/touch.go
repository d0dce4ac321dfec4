package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/store"
)

const (
	// touchEvery is how often the use of one key is noted.
	touchEvery = time.Minute
	// maxTouches bounds the uses that wait to be noted, and the keys that are
	// remembered as noted.
	maxTouches = 1024
)

// touches notes in the database that keys are used: beside the requests, and
// not for each of them.
type touches struct {
	keys  Keys
	log   *slog.Logger
	queue chan touch

	mu    sync.Mutex
	noted map[uuid.UUID]time.Time
}

type touch struct {
	workspace, key uuid.UUID
	at             time.Time
}

func newTouches(keys Keys, log *slog.Logger) *touches {
	return &touches{keys: keys, log: log, queue: make(chan touch, maxTouches), noted: map[uuid.UUID]time.Time{}}
}

// touch notes a use, unless one was noted in the last minute or too many wait.
func (g *Gateway) touch(key *store.EndpointKey, now time.Time) {
	if g.touches.due(key.ID, now) {
		select {
		case g.touches.queue <- touch{key.WorkspaceID, key.ID, now}:
		default: // a missing note of a use is noted with the next use
		}
	}
}

func (t *touches) due(key uuid.UUID, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.noted[key]; ok && now.Sub(last) < touchEvery && now.Sub(last) >= 0 {
		return false
	}
	if len(t.noted) >= maxTouches {
		clear(t.noted)
	}
	t.noted[key] = now
	return true
}

// run writes the notes until ctx ends.
func (t *touches) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-t.queue:
			if err := t.keys.TouchEndpointKey(ctx, u.workspace, u.key, u.at); err != nil && ctx.Err() == nil {
				t.log.WarnContext(ctx, "noting the use of an endpoint key", "key", u.key, "error", err)
			}
		}
	}
}
