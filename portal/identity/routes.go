package identity

import (
	"net/http"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// Deps is what the module's routes need.
type Deps struct {
	server.Deps
	Service *Service
	// Trust holds the public keys of request tokens.
	Trust requesttoken.KeySet
}

// handlers are the module's handlers.
type handlers struct {
	Deps
}

// Routes returns the module's part of the table.
func Routes(d Deps) []server.Route {
	h := handlers{d}
	return []server.Route{
		{
			Method: http.MethodPost, Pattern: "/signup", Access: server.Public("makes the account that everything else asks for"),
			Mutates: true, Page: "signup", Summary: "Make an account", Request: signupRequest{}, Response: Welcome{}, Handler: h.signup,
		},
		{
			Method: http.MethodPost, Pattern: "/login", Access: server.Public("turns a password into a session"),
			Mutates: true, Page: "login", Summary: "Sign in", Request: loginRequest{}, Response: Welcome{}, Handler: h.login,
		},
		{
			Method: http.MethodPost, Pattern: "/logout", Access: server.SignedIn(),
			Mutates: true, Summary: "Sign out: end the session", Request: nothing{}, Response: Done{}, Handler: h.logout,
		},
		{
			Method: http.MethodPost, Pattern: "/token/refresh", Access: server.Public("the refresh token in the body is the credential"),
			Mutates: true, Summary: "Exchange a refresh token for a new access token", Request: refreshRequest{}, Response: Refreshed{}, Handler: h.refresh,
		},
		{
			Method: http.MethodGet, Pattern: "/account", Access: server.SignedIn(),
			Summary: "The account that is signed in", Response: Account{}, Handler: h.account,
		},
		{
			Method: http.MethodDelete, Pattern: "/account", Access: server.SignedIn(),
			Mutates: true, Summary: "Delete the account and everything that is only its own", Request: deleteRequest{}, Response: Done{}, Handler: h.deleteAccount,
		},
		{
			Method: http.MethodPost, Pattern: "/account/delete", Access: server.SignedIn(),
			Mutates: true, Page: "account", Summary: "Delete the account, for forms", Request: deleteRequest{}, Response: Done{}, Handler: h.deleteAccount,
		},
		{
			Method: http.MethodPost, Pattern: verifyPath, Access: server.SignedIn(),
			Summary: "Who a credential belongs to, for other services", Response: verdict{}, Handler: h.verify,
		},
		{
			Method: http.MethodGet, Pattern: "/.well-known/jwks.json", Access: server.Public("public keys of request tokens are public"),
			Summary: "Public keys of request tokens", Handler: h.jwks,
		},
	}
}

// success is what the owner's clients look for: a text, not a boolean.
const success = "true"

// nothing is the body of requests that carry none.
type nothing struct{}

// Done is the answer where there is nothing more to say.
type Done struct {
	Success string `json:"success"`
	Message string `json:"message"`
}

func (h handlers) verify(w http.ResponseWriter, r *http.Request) error {
	subject, err := caller(r)
	if err != nil {
		return err
	}
	return server.JSON(w, http.StatusOK, verdict{Success: success, Subject: subject})
}

func (h handlers) jwks(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "public, max-age=60")
	return server.JSON(w, http.StatusOK, h.Trust)
}

// caller returns who calls a route that asks for somebody.
func caller(r *http.Request) (Subject, error) {
	subject, ok := FromContext(r.Context())
	if !ok {
		return Subject{}, unauthorized()
	}
	return subject, nil
}
