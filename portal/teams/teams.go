// Package teams knows what a user may do in a workspace.
package teams

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/store"
)

// Role of a user in a workspace.
type Role string

// Roles, from none to all rights.
const (
	RoleNone   Role = ""
	RoleReader Role = "reader"
	RoleEditor Role = "editor"
	RoleOwner  Role = "owner"
)

// CanSee tells whether the role may see flows and agents.
func (r Role) CanSee() bool { return r == RoleReader || r.CanEdit() }

// CanEdit tells whether the role may change flows and agents.
func (r Role) CanEdit() bool { return r == RoleEditor || r == RoleOwner }

// CanPublish tells whether the role may say who else may call them.
func (r Role) CanPublish() bool { return r == RoleOwner }

// Members looks memberships up.
type Members interface {
	MemberRole(ctx context.Context, user, workspace uuid.UUID) (string, error)
}

// RoleOf returns the user's role in a workspace: owner of the own one, the
// member's role in a team's, none elsewhere.
func RoleOf(ctx context.Context, members Members, user, workspace uuid.UUID) (Role, error) {
	role, err := members.MemberRole(ctx, user, workspace)
	if errors.Is(err, store.ErrNotFound) {
		return RoleNone, nil
	}
	return Role(role), err
}
