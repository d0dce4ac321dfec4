// Package identity knows who calls: accounts, sessions, tokens, and the one
// decision that every request of every service goes through.
package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Subject is who calls. It comes from a session or an access token, and from
// nothing else in a request.
type Subject struct {
	UserID    uuid.UUID `json:"userId"`
	SessionID uuid.UUID `json:"sessionId"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	// Administrator of the whole installation.
	Administrator bool `json:"administrator"`
	// Workspace is the user's own.
	Workspace WorkspaceRef `json:"workspace"`
	// ExpiresAt is when the session ends.
	ExpiresAt time.Time `json:"expiresAt"`
}

// WorkspaceRef names a workspace.
type WorkspaceRef struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

// Namespace of the workspace in the cluster.
func (w WorkspaceRef) Namespace() string { return v1alpha1.WorkspaceNamespacePrefix + w.Name }

// Actor names the subject in audit rows and request tokens.
func (s Subject) Actor() string { return "user:" + s.UserID.String() }

// Verifier decides who calls, by the request's session cookie or bearer token.
//
// It returns a *server.Error: 401 for a request without credentials or with bad
// ones, 503 when it cannot tell. There is no third way: whoever cannot be
// verified does not pass.
type Verifier interface {
	Verify(ctx context.Context, r *http.Request) (Subject, error)
}

type contextKey struct{}

// NewContext returns a context that carries the subject.
func NewContext(ctx context.Context, s Subject) context.Context {
	return context.WithValue(ctx, contextKey{}, s)
}

// FromContext returns the subject that the server's middleware found.
func FromContext(ctx context.Context) (Subject, bool) {
	s, ok := ctx.Value(contextKey{}).(Subject)
	return s, ok
}
