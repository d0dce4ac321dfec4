package teams_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/teams"
)

// members answers every question alike.
type members struct {
	role string
	err  error
}

// MemberRole answers.
func (m members) MemberRole(context.Context, uuid.UUID, uuid.UUID) (string, error) {
	return m.role, m.err
}

func TestRoleOf(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	cases := map[string]struct {
		reason                string
		members               members
		role                  teams.Role
		err                   error
		see, edit, publishing bool
	}{
		"Owner":    {"An owner may do everything.", members{role: "owner"}, teams.RoleOwner, nil, true, true, true},
		"Editor":   {"An editor may not say who else may call.", members{role: "editor"}, teams.RoleEditor, nil, true, true, false},
		"Reader":   {"A reader may look.", members{role: "reader"}, teams.RoleReader, nil, true, false, false},
		"Stranger": {"A stranger may nothing, which is no error.", members{err: store.ErrNotFound}, teams.RoleNone, nil, false, false, false},
		"Unknown":  {"A role that is not known gives no right.", members{role: "admin"}, "admin", nil, false, false, false},
		"Away":     {"Who cannot be looked up has no role.", members{err: away}, teams.RoleNone, away, false, false, false},
	}
	for name, tc := range cases {
		role, err := teams.RoleOf(t.Context(), tc.members, uuid.New(), uuid.New())
		if role != tc.role || !errors.Is(err, tc.err) || role.CanSee() != tc.see || role.CanEdit() != tc.edit || role.CanPublish() != tc.publishing {
			t.Errorf("%s: %q, %v, sees %v, edits %v, publishes %v. %s", name, role, err, role.CanSee(), role.CanEdit(), role.CanPublish(), tc.reason)
		}
	}
}
