package identity

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weft-run/weft/portal/store"
)

const (
	// cacheLife bounds how long a session is believed without asking the
	// database.
	cacheLife = 15 * time.Second
	// revokedLife is longer than any lookup that may still be under way when
	// a session ends, and than any copy that it could leave.
	revokedLife   = 2 * cacheLife
	cacheTimeout  = 400 * time.Millisecond
	cacheRest     = time.Second
	revokeRetries = 15
	revokedMark   = "revoked"
)

var (
	errCacheMiss    = errors.New("the session is not in the cache")
	errCacheRevoked = errors.New("the session is over")
)

// sessionCache keeps looked-up sessions in Redis for some seconds. What it
// holds is sealed, so that whoever can write to Redis can still not make a
// session; and whatever is wrong with it means "ask the database".
type sessionCache struct {
	redis  redis.UniversalClient
	sealer cipher.AEAD
	prefix string
	log    *slog.Logger
	now    func() time.Time
	// restUntil is the time, in nanoseconds, until which Redis is left alone
	// after it did not answer.
	restUntil atomic.Int64
}

func newSessionCache(client redis.UniversalClient, key []byte, prefix string, log *slog.Logger, now func() time.Time) (*sessionCache, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "weft session cache v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the session cache's key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("preparing the session cache: %w", err)
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("preparing the session cache: %w", err)
	}
	return &sessionCache{redis: client, sealer: sealer, prefix: prefix, log: log, now: now}, nil
}

func (c *sessionCache) key(session uuid.UUID) string { return c.prefix + "session:" + session.String() }

// get returns a session, errCacheRevoked, or errCacheMiss for everything else.
func (c *sessionCache) get(ctx context.Context, id uuid.UUID) (store.Session, error) {
	if c.resting() {
		return store.Session{}, errCacheMiss
	}
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	sealed, err := c.redis.Get(ctx, c.key(id)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return store.Session{}, errCacheMiss
	case err != nil:
		c.failed(err)
		return store.Session{}, errCacheMiss
	case string(sealed) == revokedMark:
		return store.Session{}, errCacheRevoked
	}
	opened, err := c.sealer.Open(nil, nil, sealed, id[:])
	if err != nil {
		return store.Session{}, errCacheMiss
	}
	var session store.Session
	if err := json.Unmarshal(opened, &session); err != nil || session.ID != id {
		return store.Session{}, errCacheMiss
	}
	return session, nil
}

// put keeps a session unless it has ended in the meantime.
func (c *sessionCache) put(ctx context.Context, session store.Session) {
	if c.resting() {
		return
	}
	data, err := json.Marshal(session)
	if err != nil {
		c.failed(err)
		return
	}
	life := min(cacheLife, session.ExpiresAt.Sub(c.now()))
	if life <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	sealed := c.sealer.Seal(nil, nil, data, session.ID[:]) //nolint:gosec // the sealer draws the nonce
	err = c.redis.SetArgs(ctx, c.key(session.ID), sealed, redis.SetArgs{Mode: "NX", TTL: life}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		c.failed(err)
	}
}

// revoke makes every replica forget sessions that have ended in the database.
// Where Redis does not answer it goes on trying until no copy can be left.
func (c *sessionCache) revoke(ctx context.Context, ids ...uuid.UUID) {
	ctx = context.WithoutCancel(ctx)
	if c.mark(ctx, ids) == nil {
		return
	}
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for range revokeRetries {
			<-ticker.C
			if c.mark(ctx, ids) == nil {
				return
			}
		}
	}()
}

func (c *sessionCache) mark(ctx context.Context, ids []uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			p.Set(ctx, c.key(id), revokedMark, revokedLife)
		}
		return nil
	})
	if err != nil {
		c.failed(err)
		return fmt.Errorf("revoking sessions in the cache: %w", err)
	}
	return nil
}

func (c *sessionCache) resting() bool { return c.now().UnixNano() < c.restUntil.Load() }

// failed leaves Redis alone for a moment, so that its absence does not slow
// every request down.
func (c *sessionCache) failed(err error) {
	c.restUntil.Store(c.now().Add(cacheRest).UnixNano())
	c.log.Warn("the session cache does not answer", "error", err)
}
