package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/teams"
)

// Members tells a user's role in a workspace. *store.Store is one.
type Members interface {
	FindWorkspace(ctx context.Context, name string) (store.Workspace, error)
	MemberRole(ctx context.Context, user, workspace uuid.UUID) (string, error)
}

// membership is a question about one user in one workspace.
type membership struct {
	user      uuid.UUID
	workspace string
}

// authorize decides whether a caller may call. flow is nil where there is
// none: then, and for everyone who may not, the answer is the same. What is
// asked of other parts depends on the caller and the address only, not on
// whether there is a flow.
func (g *Gateway) authorize(ctx context.Context, c caller, n name, flow *settings) error {
	standing, err := g.standingOf(ctx, c, n)
	if err != nil {
		if ctx.Err() != nil {
			return canceled()
		}
		return unavailable("identity service", err)
	}
	switch {
	case flow != nil && mayCall(flow.visibility, standing):
		return nil
	case c.kind == callerAnonymous:
		return unauthorized(nil)
	}
	return notFound()
}

// standing is what a caller is to a flow's workspace.
type standing int

const (
	stranger standing = iota
	member
	holder // of an endpoint key of this flow, or of a right in the cluster
	owner
)

// mayCall is the whole of who may call what.
func mayCall(v v1alpha1.Visibility, s standing) bool {
	switch v {
	case v1alpha1.VisibilityPublic:
		return true
	case v1alpha1.VisibilityTeam:
		return s == owner || s == holder || s == member
	case v1alpha1.VisibilityPrivate:
		return s == owner || s == holder
	}
	// Anything else is a value of a later version. It opens nothing.
	return s == owner
}

func (g *Gateway) standingOf(ctx context.Context, c caller, n name) (standing, error) {
	if n.workspace == "" {
		return stranger, nil
	}
	switch c.kind {
	case callerAnonymous:
		return stranger, nil
	case callerKey:
		if c.key.WorkspaceName == n.workspace && c.key.FlowName == n.flow {
			return holder, nil
		}
		return stranger, nil
	case callerCluster:
		return g.clusterStanding(ctx, c.cluster, n)
	case callerUser:
		return g.roleStanding(ctx, c.user, n.workspace)
	}
	return stranger, nil
}

func (g *Gateway) roleStanding(ctx context.Context, user uuid.UUID, workspace string) (standing, error) {
	return g.roles.get(ctx, membership{user, workspace}, func(ctx context.Context) (standing, error) {
		found, err := g.deps.Store.FindWorkspace(ctx, workspace)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return stranger, nil
		case err != nil:
			return stranger, fmt.Errorf("finding the workspace: %w", err)
		}
		role, err := teams.RoleOf(ctx, g.deps.Store, user, found.ID)
		switch {
		case err != nil:
			return stranger, fmt.Errorf("finding a member's role: %w", err)
		case role == teams.RoleOwner:
			return owner, nil
		case role == teams.RoleNone:
			return stranger, nil
		}
		return member, nil
	})
}
