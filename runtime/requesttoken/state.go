package requesttoken

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxSeen bounds the number of tokens whose signature is remembered.
	maxSeen = 1024
	// maxSeenToken bounds the length of a token that is remembered, in bytes.
	maxSeenToken = 2 << 10
)

// state is a key set, and the tokens that were verified with it. The gateway
// sends the same token again for some seconds, and checking a signature takes
// longer than answering a small request. Only that check is spared: time,
// audience, method and path are compared for every request.
type state struct {
	set KeySet

	mu   sync.RWMutex
	seen map[string]*wire
}

func newState(set KeySet) *state { return &state{set: set, seen: map[string]*wire{}} }

func (s *state) verify(token string, e Expect) (*wire, error) {
	if w := s.lookup(token); w != nil {
		if err := jwt.NewValidator(options(e)...).Validate(w); err != nil {
			return nil, fmt.Errorf("checking its claims: %w", err)
		}
		return w, nil
	}
	if err := checkForm(token); err != nil {
		return nil, err
	}
	var w wire
	if _, err := jwt.NewParser(options(e)...).ParseWithClaims(token, &w, s.key); err != nil {
		return nil, fmt.Errorf("checking signature and claims: %w", err)
	}
	s.remember(token, &w)
	return &w, nil
}

// options are the library's checks: the one algorithm, iss, aud, exp and iat.
// wire adds those of the claims' form.
func options(e Expect) []jwt.ParserOption {
	return []jwt.ParserOption{
		jwt.WithValidMethods([]string{algorithm}),
		jwt.WithIssuer(Issuer),
		jwt.WithAudience(e.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Skew),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return e.Now }),
	}
}

// key finds the public key by kid in the set, and nowhere else.
func (s *state) key(t *jwt.Token) (any, error) {
	id, ok := t.Header["kid"].(string)
	if !ok {
		return nil, errors.New("no key id")
	}
	key, ok := s.set.keys[id]
	if !ok {
		return nil, errors.New("unknown key id")
	}
	return key, nil
}

func (s *state) lookup(token string) *wire {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seen[token]
}

// remember keeps the claims of a token whose signature is right. A full memory
// is emptied: what is lost is one check of a signature for each.
func (s *state) remember(token string, w *wire) {
	if len(token) > maxSeenToken {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
	s.seen[token] = w
}
