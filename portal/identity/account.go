package identity

import (
	"errors"
	"net/http"

	"github.com/weft-run/weft/portal/server"
)

// Account is the answer of GET /account.
type Account struct {
	Success string  `json:"success"`
	User    Profile `json:"user"`
}

type deleteRequest struct {
	Password string `json:"password" weft:"secret"`
}

func (h handlers) account(w http.ResponseWriter, r *http.Request) error {
	subject, err := caller(r)
	if err != nil {
		return err
	}
	user, err := h.Store.FindUser(r.Context(), subject.UserID)
	if err != nil {
		return err
	}
	return server.JSON(w, http.StatusOK, Account{Success: success, User: profileOf(user, subject.Workspace)})
}

// deleteAccount asks for the password once more: a session that somebody left
// open must not be enough to lose everything.
func (h handlers) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[deleteRequest](r)
	if err != nil {
		return err
	}
	subject, err := caller(r)
	if err != nil {
		return err
	}
	if err := h.confirm(r, subject, request.Password); err != nil {
		return err
	}
	ended, err := h.Store.DeleteAccount(r.Context(), subject.UserID, subject.Workspace.ID, h.Now())
	if err != nil {
		return err
	}
	h.Service.cache.revoke(r.Context(), ended...)
	h.Service.provision()
	http.SetCookie(w, h.Site.Cookie(sessionCookie, "", -1))
	const message = "Your account and everything that was only yours are deleted."
	return h.Site.Reply(w, r, server.Result{Body: Done{Success: success, Message: message}, Location: "/login", Message: message})
}

// confirm checks the password of who is signed in, and counts failures like the
// login does.
func (h handlers) confirm(r *http.Request, subject Subject, password string) error {
	request := loginRequest{User: subject.Email, Password: password}
	if password == "" || len(password) > maxPassword {
		return server.Invalid(server.FieldError{Field: "password", Code: server.CodeRequired, Message: "Please give your password to confirm."})
	}
	_, err := h.Service.checkLogin(r.Context(), request, digest([]byte(subject.Email)))
	var told *server.Error
	if errors.As(err, &told) && told.Status == http.StatusUnauthorized {
		return server.Invalid(server.FieldError{Field: "password", Code: server.CodeInvalid, Message: "The password is not right."})
	}
	return err
}
