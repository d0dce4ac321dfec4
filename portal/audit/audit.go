// Package audit records who did what, when, and with which result. A row goes
// into the transaction of what it records: no row, no deed.
package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcomes of what is recorded.
const (
	OK     = "ok"
	Denied = "denied"
	Error  = "error"
)

// Event is one row. It holds ids and codes, nothing that a person wrote.
type Event struct {
	// Workspace it happened in; zero for what belongs to no workspace.
	Workspace uuid.UUID
	// Actor, such as "user:<id>" or "runtime:<namespace>/<service account>".
	Actor string
	// Action, such as "vault.fetch".
	Action string
	// Object it was done to, such as "vaultkey:<id>".
	Object string
	// Outcome is OK, Denied or Error.
	Outcome string
	// Detail is a code or a number, such as a version.
	Detail string
}

// Append writes the event in the caller's transaction, which must belong to the
// event's workspace.
func Append(ctx context.Context, tx pgx.Tx, e Event) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making an audit row's id: %w", err)
	}
	workspace := &e.Workspace
	if e.Workspace == uuid.Nil {
		workspace = nil
	}
	const insert = `INSERT INTO audit (id, workspace_id, actor, action, object, outcome, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	if _, err := tx.Exec(ctx, insert, id, workspace, e.Actor, e.Action, e.Object, e.Outcome, e.Detail); err != nil {
		return fmt.Errorf("writing an audit row: %w", err)
	}
	return nil
}
