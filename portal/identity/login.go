package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"time"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

const (
	// freeFailures may happen before further tries under the name must wait.
	freeFailures = 5
	maxDelay     = 15 * time.Minute
)

type loginRequest struct {
	User     string `json:"user"`
	Password string `json:"password" weft:"secret"`
	// Next is the page to go on to, for forms.
	Next string `json:"next,omitempty"`
}

// Validate checks and tidies the fields.
func (q *loginRequest) Validate() []server.FieldError {
	var problems []server.FieldError
	q.User = normalEmail(q.User)
	if q.User == "" || len(q.User) > maxEmail {
		problems = append(problems, server.FieldError{Field: "user", Code: server.CodeRequired, Message: "Please give your e-mail address."})
	}
	if q.Password == "" || len(q.Password) > maxPassword {
		problems = append(problems, server.FieldError{Field: "password", Code: server.CodeRequired, Message: "Please give your password."})
	}
	return problems
}

func (h handlers) login(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[loginRequest](r)
	if err != nil {
		return err
	}
	name := sha256.Sum256([]byte(request.User))
	user, err := h.Service.checkLogin(r.Context(), request, name[:])
	if err != nil {
		return err
	}
	session := h.Service.open()
	former := h.formerSession(r)
	stored, err := h.Store.Login(r.Context(), user.ID, session.stored, former, name[:], h.Now())
	if errors.Is(err, store.ErrNotFound) {
		return wrongPassword()
	}
	if err != nil {
		return err
	}
	if former != nil {
		h.Service.cache.revoke(r.Context(), *former)
	}
	return h.welcome(w, r, session, subjectOf(stored), user, server.LocalPath(request.Next))
}

// checkLogin finds the account whose password this is. It does the same work
// and says the same whether or not there is an account of that name.
func (s *Service) checkLogin(ctx context.Context, q loginRequest, name []byte) (store.User, error) {
	failures, last, err := s.store.LoginFailures(ctx, name)
	if err != nil {
		return store.User{}, err
	}
	if wait := last.Add(delayAfter(failures)).Sub(s.now()); wait > 0 {
		return store.User{}, &server.Error{
			Status: http.StatusTooManyRequests, RetryAfter: wait,
			Message: "There were too many wrong passwords for this name. Please wait a little and try again.",
		}
	}
	user, err := s.store.FindUserByEmail(ctx, q.User)
	hash := user.PasswordHash
	if errors.Is(err, store.ErrNotFound) {
		hash = s.passwords.unknown
	} else if err != nil {
		return store.User{}, err
	}
	right, err := s.passwords.check(ctx, q.Password, hash)
	if err != nil {
		return store.User{}, server.Unavailable("sign-in", err)
	}
	if !right || user.PasswordHash == "" || user.DisabledAt != nil {
		if err := s.store.LoginFailed(ctx, name, s.now()); err != nil {
			return store.User{}, err
		}
		return store.User{}, wrongPassword()
	}
	return user, nil
}

// delayAfter grows with the number of failures: 1 s, 2 s, 4 s… 15 min.
func delayAfter(failures int) time.Duration {
	if failures < freeFailures {
		return 0
	}
	shift := min(failures-freeFailures, 20)
	return min(time.Second<<shift, maxDelay)
}

func wrongPassword() *server.Error {
	return server.Unauthorized("The e-mail address or the password is not right.")
}

func (h handlers) logout(w http.ResponseWriter, r *http.Request) error {
	if _, err := server.Bind[nothing](r); err != nil {
		return err
	}
	subject, err := caller(r)
	if err != nil {
		return err
	}
	if err := h.Store.EndSession(r.Context(), subject.UserID, subject.SessionID); err != nil {
		return err
	}
	h.Service.cache.revoke(r.Context(), subject.SessionID)
	http.SetCookie(w, h.Site.Cookie(sessionCookie, "", -1))
	return h.Site.Reply(w, r, server.Result{Body: Done{Success: success, Message: "You are signed out."}, Location: "/login", Message: "You are signed out."})
}
