package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// sessionLife is how long a session lasts, used or not.
const sessionLife = 14 * 24 * time.Hour

// Config is what the identity module needs.
type Config struct {
	Store *store.Store
	Redis redis.UniversalClient
	// CachePrefix stands before every key in Redis. Default "weft:".
	CachePrefix string
	Keys        keys.Identity
	Site        server.Site
	Log         *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Provision is told when a workspace was made or should go. Nil for
	// programs that only verify.
	Provision func()
}

// Service is the identity module in this process. It is a Verifier.
type Service struct {
	store     *store.Store
	cache     *sessionCache
	tokens    *tokens
	passwords *hasher
	site      server.Site
	log       *slog.Logger
	now       func() time.Time
	provision func()
}

// New returns the identity module.
func New(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CachePrefix == "" {
		c.CachePrefix = "weft:"
	}
	if c.Provision == nil {
		c.Provision = func() {}
	}
	tokens, err := newTokens(c.Keys)
	if err != nil {
		return nil, err
	}
	cache, err := newSessionCache(c.Redis, c.Keys.Encryption[0].Key, c.CachePrefix, c.Log, c.Now)
	if err != nil {
		return nil, err
	}
	return &Service{
		store: c.Store, cache: cache, tokens: tokens, passwords: newHasher(max(2, runtime.GOMAXPROCS(0))),
		site: c.Site, log: c.Log, now: c.Now, provision: c.Provision,
	}, nil
}

// Verify decides who calls.
func (s *Service) Verify(ctx context.Context, r *http.Request) (Subject, error) {
	shown, err := credentialOf(r, s.site)
	if err != nil {
		return Subject{}, err
	}
	if shown == nil {
		return Subject{}, server.Unauthorized("Please sign in first.")
	}
	if shown.bearer != "" {
		return s.verifyToken(ctx, shown.bearer)
	}
	return s.verifyCookie(ctx, shown)
}

func (s *Service) verifyToken(ctx context.Context, token string) (Subject, error) {
	claims, err := s.tokens.read(token, s.now())
	if err != nil {
		return Subject{}, unauthorized()
	}
	session, err := s.session(ctx, claims.SessionID)
	if err != nil {
		return Subject{}, err
	}
	if session.UserID != claims.UserID || session.WorkspaceID != claims.WorkspaceID {
		return Subject{}, unauthorized()
	}
	return subjectOf(session), nil
}

func (s *Service) verifyCookie(ctx context.Context, shown *credential) (Subject, error) {
	session, err := s.session(ctx, shown.session)
	if err != nil {
		return Subject{}, err
	}
	if subtle.ConstantTimeCompare(digest(shown.secret), session.TokenHash) != 1 {
		return Subject{}, unauthorized()
	}
	return subjectOf(session), nil
}

// session returns a living session, from the cache or the database.
func (s *Service) session(ctx context.Context, id uuid.UUID) (store.Session, error) {
	session, err := s.cache.get(ctx, id)
	if errors.Is(err, errCacheRevoked) {
		return store.Session{}, unauthorized()
	}
	if err != nil {
		session, err = s.store.FindSession(ctx, id, s.now())
		switch {
		case errors.Is(err, store.ErrNotFound):
			return store.Session{}, unauthorized()
		case err != nil:
			return store.Session{}, server.Unavailable("database", err)
		}
		s.cache.put(ctx, session)
	}
	if !session.ExpiresAt.After(s.now()) || session.WorkspaceID == uuid.Nil || session.UserID == uuid.Nil {
		return store.Session{}, unauthorized()
	}
	return session, nil
}

func subjectOf(s store.Session) Subject {
	return Subject{
		UserID: s.UserID, SessionID: s.ID, Email: s.Email, Name: s.Name, Administrator: s.Administrator,
		Workspace: WorkspaceRef{ID: s.WorkspaceID, Name: s.WorkspaceName}, ExpiresAt: s.ExpiresAt,
	}
}

// NewAuthenticator makes a Verifier the middleware's authenticator.
func NewAuthenticator(v Verifier, site server.Site) server.Authenticator {
	return authenticator{verifier: v, site: site}
}

type authenticator struct {
	verifier Verifier
	site     server.Site
}

// Authenticate decides who calls.
func (a authenticator) Authenticate(r *http.Request) (*server.Caller, error) {
	shown, err := credentialOf(r, a.site)
	if shown == nil || err != nil {
		return nil, err
	}
	subject, err := a.verifier.Verify(r.Context(), r)
	if err != nil {
		return nil, err
	}
	caller := &server.Caller{
		Administrator: subject.Administrator,
		Attach:        func(ctx context.Context) context.Context { return NewContext(ctx, subject) },
	}
	if shown.cookie != "" {
		caller.CSRFKey = []byte(shown.cookie)
	}
	return caller, nil
}
