package gateway

import (
	"fmt"
	"sync"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// maxTokens bounds the number of request tokens that are kept for use again.
const maxTokens = 4096

// tokenKey is all that a request token says but its times.
type tokenKey struct{ audience, workspace, flow, method, path, subject string }

// minter makes request tokens. A token serves equal requests of one caller for
// some seconds of its minute: signing costs more than all the rest of what the
// gateway does for a small request, and the runtime, which remembers what it
// has verified, saves even more. Nothing is given away by it: the same runtime
// could use each token for its whole life anyway.
type minter struct {
	signer *requesttoken.Signer
	reuse  time.Duration
	now    func() time.Time

	mu     sync.RWMutex
	tokens map[tokenKey]minted
}

type minted struct {
	token string
	at    time.Time
}

func (m *minter) mint(k tokenKey) (string, error) {
	now := m.now()
	m.mu.RLock()
	kept, ok := m.tokens[k]
	m.mu.RUnlock()
	if age := now.Sub(kept.at); ok && age >= 0 && age < m.reuse {
		return kept.token, nil
	}
	token, err := m.signer.Mint(requesttoken.Claims{
		Subject: k.subject, Audience: k.audience, Method: k.method, Path: k.path,
		Workspace: k.workspace, Target: k.flow, IssuedAt: now,
	})
	if err != nil {
		return "", fmt.Errorf("minting a request token: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.tokens) >= maxTokens {
		clear(m.tokens)
	}
	m.tokens[k] = minted{token, now}
	return token, nil
}
