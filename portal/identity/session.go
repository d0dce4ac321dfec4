package identity

import (
	"encoding/base64"
	"net/http"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// Welcome is the answer to signing up and signing in.
type Welcome struct {
	Success      string  `json:"success"`
	JWT          string  `json:"jwt"`
	RefreshToken string  `json:"refreshToken"`
	User         Profile `json:"user"`
}

// Profile is an account as its owner sees it.
type Profile struct {
	ID            uuid.UUID    `json:"id"`
	Email         string       `json:"email"`
	Name          string       `json:"name"`
	Birth         string       `json:"birth"`
	Administrator bool         `json:"administrator"`
	Workspace     WorkspaceRef `json:"workspace"`
}

// opened is a session with the secrets that only its holder knows.
type opened struct {
	stored  store.NewSession
	secret  []byte
	refresh string
}

// open makes a session that is not stored yet.
func (s *Service) open() opened {
	secret, refresh := random(secretBytes), random(secretBytes)
	return opened{
		stored: store.NewSession{
			ID: store.NewID(), TokenHash: digest(secret), RefreshHash: digest(refresh), ExpiresAt: s.now().Add(sessionLife),
		},
		secret: secret, refresh: refreshText(refresh),
	}
}

func refreshText(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// welcome answers with a session that was just stored.
func (h handlers) welcome(w http.ResponseWriter, r *http.Request, o opened, subject Subject, user store.User, location string) error {
	token, err := h.Service.tokens.mint(subject, h.Now())
	if err != nil {
		return err
	}
	http.SetCookie(w, h.Site.Cookie(sessionCookie, cookieValue(o.stored.ID, o.secret), sessionLife))
	return h.Site.Reply(w, r, server.Result{
		Body:     Welcome{Success: success, JWT: token, RefreshToken: o.refresh, User: profileOf(user, subject.Workspace)},
		Location: location,
	})
}

func profileOf(u store.User, w WorkspaceRef) Profile {
	return Profile{
		ID: u.ID, Email: u.Email, Name: u.Name, Birth: u.Birth.Format(birthLayout), Administrator: u.Administrator, Workspace: w,
	}
}

// formerSession returns the session that a request came with, if it is a living
// one: it is replaced when its holder signs in.
func (h handlers) formerSession(r *http.Request) *uuid.UUID {
	subject, ok := FromContext(r.Context())
	if !ok {
		return nil
	}
	return &subject.SessionID
}

// endFormer ends the session that a request came with, for those who make
// another account in the same browser.
func (h handlers) endFormer(r *http.Request) error {
	subject, ok := FromContext(r.Context())
	if !ok {
		return nil
	}
	if err := h.Store.EndSession(r.Context(), subject.UserID, subject.SessionID); err != nil {
		return err
	}
	h.Service.cache.revoke(r.Context(), subject.SessionID)
	return nil
}
