package identity

import (
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

const (
	birthLayout = "02/01/2006"
	maxEmail    = 254
	minPassword = 8
	maxPassword = 256
)

type signupRequest struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Birth    string `json:"birth"`
	Password string `json:"password" weft:"secret"`
}

// Validate checks and tidies the fields.
func (q *signupRequest) Validate() []server.FieldError {
	q.Name = strings.TrimSpace(q.Name)
	problems := server.CheckName("name", q.Name, "Please give your name.")
	add := func(field, code, message string) {
		problems = append(problems, server.FieldError{Field: field, Code: code, Message: message})
	}
	q.Email = normalEmail(q.Email)
	if q.Email == "" {
		add("email", server.CodeRequired, "Please give your e-mail address.")
	} else if !validEmail(q.Email) {
		add("email", server.CodeInvalid, "This is not an e-mail address.")
	}
	if code, message := checkBirth(q.Birth); code != "" {
		add("birth", code, message)
	}
	if code, message := checkPassword(q.Password, q.Email); code != "" {
		add("password", code, message)
	}
	return problems
}

func checkBirth(birth string) (code, message string) {
	day, err := time.Parse(birthLayout, birth)
	switch {
	case birth == "":
		return server.CodeRequired, "Please give your date of birth as dd/mm/yyyy."
	case err != nil || day.Year() < 1:
		return server.CodeInvalid, "The date of birth must be written dd/mm/yyyy, for example 17/12/1990."
	case day.After(time.Now()):
		return server.CodeInvalid, "The date of birth is in the future."
	}
	return "", ""
}

func checkPassword(password, email string) (code, message string) {
	switch {
	case password == "":
		return server.CodeRequired, "Please choose a password."
	case utf8.RuneCountInString(password) < minPassword:
		return server.CodeInvalid, "The password must have at least 8 characters."
	case len(password) > maxPassword:
		return server.CodeTooLarge, "The password is longer than 256 bytes."
	case email != "" && strings.EqualFold(password, email):
		return server.CodeInvalid, "The password must not be the e-mail address."
	}
	return "", ""
}

// normalEmail is the form of an address in which accounts are found.
func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func validEmail(email string) bool {
	address, err := mail.ParseAddress(email)
	local, domain, found := strings.Cut(email, "@")
	return err == nil && address.Name == "" && address.Address == email && len(email) <= maxEmail &&
		found && local != "" && domain != "" && !strings.ContainsFunc(email, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
}

func (h handlers) signup(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[signupRequest](r)
	if err != nil {
		return err
	}
	account, session, err := h.newAccount(r, request)
	if err != nil {
		return err
	}
	user, err := h.Store.CreateAccount(r.Context(), account)
	if errors.Is(err, store.ErrConflict) {
		return server.Conflict("There is an account with this e-mail address already. Sign in instead.", server.FieldError{
			Field: "email", Code: server.CodeConflict, Message: "There is an account with this e-mail address already.",
		})
	}
	if err != nil {
		return err
	}
	h.Service.provision()
	if err := h.endFormer(r); err != nil {
		return err
	}
	subject := Subject{
		UserID: user.ID, SessionID: session.stored.ID, Email: user.Email, Name: user.Name, Administrator: user.Administrator,
		Workspace: WorkspaceRef{ID: account.Workspace.ID, Name: account.Workspace.Name}, ExpiresAt: session.stored.ExpiresAt,
	}
	return h.welcome(w, r, session, subject, user, "/")
}

func (h handlers) newAccount(r *http.Request, q signupRequest) (store.NewAccount, opened, error) {
	hash, err := h.Service.passwords.hash(r.Context(), q.Password)
	if err != nil {
		return store.NewAccount{}, opened{}, server.Unavailable("sign-up", err)
	}
	birth, err := time.Parse(birthLayout, q.Birth)
	if err != nil {
		return store.NewAccount{}, opened{}, fmt.Errorf("reading a date of birth: %w", err)
	}
	session := h.Service.open()
	return store.NewAccount{
		User:      store.User{ID: store.NewID(), Email: q.Email, Name: q.Name, Birth: birth, PasswordHash: hash},
		Workspace: store.Workspace{ID: store.NewID(), Name: workspaceName(q.Email), Title: q.Name},
		Session:   session.stored,
	}, session, nil
}
