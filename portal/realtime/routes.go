package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
)

const (
	// pollWait is how long a long poll waits for the first event.
	pollWait = 25 * time.Second
	// socketWait is how long one look for events of a socket takes; after it
	// the session is looked at again.
	socketWait = 10 * time.Second
	// writeTimeout bounds a write to a slow browser.
	writeTimeout = 10 * time.Second
	// socketLife bounds a socket's life; browsers connect anew and go on where
	// they were.
	socketLife = 15 * time.Minute
)

// Deps are what the module needs.
type Deps struct {
	server.Deps
	// Verifier looks at a session again while its socket is open.
	Verifier identity.Verifier
	// EventLog holds the events.
	EventLog *Log
}

// EventsResponse is the answer of a long poll.
type EventsResponse struct {
	Success string  `json:"success"`
	Events  []Event `json:"events"`
	// After is what to ask with next.
	After string `json:"after"`
}

// Routes returns the module's part of the table.
func Routes(d Deps) []server.Route {
	return []server.Route{
		{
			Method: http.MethodGet, Pattern: "/events", Access: server.SignedIn(), Response: EventsResponse{},
			Summary: "Waits for what happens in the workspace: ?after=ID, answers with the events and the next ID.",
			Handler: d.poll,
		},
		{
			Method: http.MethodGet, Pattern: "/ws", Access: server.SignedIn(),
			Summary: "The same events, in the same order, over a WebSocket: ?after=ID.",
			Handler: d.socket,
		},
	}
}

func (d Deps) poll(w http.ResponseWriter, r *http.Request) error {
	who, ok := identity.FromContext(r.Context())
	if !ok {
		return server.Unauthorized("Please sign in first.")
	}
	after := r.URL.Query().Get("after")
	if after != "" && !validID(after) {
		return server.Invalid(server.FieldError{Field: "after", Code: server.CodeInvalid, Message: "Send the id of the last event that you have, or nothing."})
	}
	if !d.EventLog.enter(who.UserID) {
		return tooMany()
	}
	defer d.EventLog.leave(who.UserID)
	wait := pollWait
	if seconds, err := strconv.Atoi(r.URL.Query().Get("wait")); err == nil && seconds >= 0 && seconds < int(pollWait/time.Second) {
		wait = time.Duration(seconds) * time.Second
	}
	events, last, err := d.EventLog.Read(r.Context(), who.Workspace.ID, who.UserID, after, wait)
	if err != nil {
		return server.Unavailable("live view", err)
	}
	return server.JSON(w, http.StatusOK, EventsResponse{Success: "true", Events: events, After: last})
}

// socket sends events until the browser goes, the session ends, or the socket
// has lived long enough. Browsers send Origin with a socket's request, and only
// this site's own is accepted.
func (d Deps) socket(w http.ResponseWriter, r *http.Request) error {
	who, ok := identity.FromContext(r.Context())
	if !ok {
		return server.Unauthorized("Please sign in first.")
	}
	after := r.URL.Query().Get("after")
	if after != "" && !validID(after) {
		return server.Invalid(server.FieldError{Field: "after", Code: server.CodeInvalid, Message: "Send the id of the last event that you have, or nothing."})
	}
	if origin := r.Header.Get("Origin"); origin == "" && r.Header.Get("Authorization") == "" {
		return server.Forbidden("The request does not say which page it comes from.")
	}
	if !d.EventLog.enter(who.UserID) {
		return tooMany()
	}
	defer d.EventLog.leave(who.UserID)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{d.Site.Portal.Host}})
	if err != nil {
		// Accept has answered already.
		d.Log.DebugContext(r.Context(), "accepting a socket", "error", err)
		return nil
	}
	defer conn.CloseNow() //nolint:errcheck // it is closed already, or the browser is gone
	ctx, cancel := context.WithTimeout(conn.CloseRead(r.Context()), socketLife)
	defer cancel()
	if err := d.feed(ctx, conn, r, who, after); err != nil && ctx.Err() == nil {
		d.Log.DebugContext(r.Context(), "feeding a socket", "error", err)
	}
	return nil
}

func tooMany() error {
	return &server.Error{Status: http.StatusTooManyRequests, RetryAfter: writeTimeout, Message: "This account looks on in too many places at once. Close some of them."}
}

func (d Deps) feed(ctx context.Context, conn *websocket.Conn, r *http.Request, who identity.Subject, after string) error {
	for ctx.Err() == nil {
		events, last, err := d.EventLog.Read(ctx, who.Workspace.ID, who.UserID, after, socketWait)
		if err != nil {
			return errors.Join(err, conn.Close(websocket.StatusTryAgainLater, "live view is not available"))
		}
		if _, err := d.Verifier.Verify(ctx, r); err != nil {
			return errors.Join(err, conn.Close(websocket.StatusPolicyViolation, "the session has ended"))
		}
		for _, event := range events {
			if err := send(ctx, conn, event); err != nil {
				return err
			}
		}
		after = last
	}
	if err := conn.Close(websocket.StatusGoingAway, "connect again"); err != nil {
		return fmt.Errorf("closing a socket: %w", err)
	}
	return nil
}

func send(ctx context.Context, conn *websocket.Conn, event Event) error {
	data, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}
