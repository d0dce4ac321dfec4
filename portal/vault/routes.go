package vault

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// Deps is what the module's routes need.
type Deps struct {
	server.Deps
	Vault *Vault
	// Reviewer asks the cluster whose service account token this is.
	Reviewer Reviewer
	// RequestTokens verifies the tokens that test runs carry.
	RequestTokens *requesttoken.Verifier
	// Cluster reads Flows and Workspaces.
	Cluster client.Reader
}

type handlers struct {
	Deps
}

// FetchPath is where runtimes fetch keys.
const FetchPath = "/internal/vault/fetch"

const (
	keysPage    = "keys"
	keysAddress = "/keys"
)

// Routes returns the module's part of the table.
func Routes(d Deps) []server.Route {
	h := handlers{d}
	return []server.Route{
		{
			Method: http.MethodPost, Pattern: "/apikey/store", Access: server.SignedIn(), Mutates: true, Page: keysPage,
			Summary: "Store an API key", Request: storeRequest{}, Response: Stored{}, Handler: h.add,
		},
		{
			Method: http.MethodPost, Pattern: "/apikey/delete/{id}", Access: server.SignedIn(), Mutates: true, Page: keysPage,
			Summary: "Delete an API key", Request: nothing{}, Response: Done{}, Handler: h.remove,
		},
		{
			Method: http.MethodDelete, Pattern: "/apikey/delete/{id}", Access: server.SignedIn(), Mutates: true,
			Summary: "Delete an API key", Request: nothing{}, Response: Done{}, Handler: h.remove,
		},
		{
			Method: http.MethodPost, Pattern: "/apikey/{id}/rotate", Access: server.SignedIn(), Mutates: true, Page: keysPage,
			Summary: "Replace the value of an API key", Request: rotateRequest{}, Response: Stored{}, Handler: h.rotate,
		},
		{
			Method: http.MethodGet, Pattern: "/apikeys", Access: server.SignedIn(),
			Summary: "List API keys, never their values", Response: Listed{}, Handler: h.list,
		},
		{
			Method: http.MethodPost, Pattern: FetchPath, Access: server.Service("runtimes show their service account's token, which the cluster reviews", h.reviewRuntime),
			Summary: "Keys for a runtime", Request: fetchRequest{}, Response: fetchAnswer{}, Handler: h.fetch,
		},
	}
}

type nothing struct{}

// Done is the answer where there is nothing more to say.
type Done struct {
	Success string `json:"success"`
	Message string `json:"message"`
}

// Stored is the answer to storing a key.
type Stored struct {
	Success string    `json:"success"`
	Message string    `json:"message"`
	ID      uuid.UUID `json:"id"`
	APIKey  Key       `json:"apikey"`
}

// Listed is the answer of GET /apikeys.
type Listed struct {
	Success string `json:"success"`
	APIKeys []Key  `json:"apikeys"`
	// Next is the value of after for the next page; empty on the last.
	Next string `json:"next,omitempty"`
}

type storeRequest struct {
	Name     string `json:"name"`
	Key      string `json:"key"                weft:"secret"`
	Provider string `json:"provider,omitempty"`
}

type rotateRequest struct {
	Key string `json:"key" weft:"secret"`
}

const maxValue = 8 << 10

var providerShape = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate checks and tidies the fields.
func (q *storeRequest) Validate() []server.FieldError {
	q.Name = strings.TrimSpace(q.Name)
	problems := server.CheckName("name", q.Name, "Please give the key a name.")
	if q.Provider != "" && !providerShape.MatchString(q.Provider) {
		problems = append(problems, server.FieldError{Field: "provider", Code: server.CodeInvalid, Message: "A provider is named by small letters, digits and dashes."})
	}
	return append(problems, checkKey(&q.Key)...)
}

// Validate checks and tidies the fields.
func (q *rotateRequest) Validate() []server.FieldError { return checkKey(&q.Key) }

func checkKey(key *string) []server.FieldError {
	*key = strings.TrimSpace(*key)
	problem := func(code, message string) []server.FieldError {
		return []server.FieldError{{Field: "key", Code: code, Message: message}}
	}
	switch {
	case *key == "":
		return problem(server.CodeRequired, "Please paste the key.")
	case len(*key) > maxValue:
		return problem(server.CodeTooLarge, "The key is longer than 8 KiB.")
	case strings.ContainsFunc(*key, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return problem(server.CodeInvalid, "The key must not contain control characters.")
	}
	return nil
}

// Paste stores a key that was typed in somewhere else than on the Keys page. It
// is as strict as that.
func (v *Vault) Paste(ctx context.Context, o Owner, title, provider string, value catalog.Secret) (Key, error) {
	request := storeRequest{Name: title, Key: value.Reveal(), Provider: provider}
	if problems := request.Validate(); len(problems) > 0 {
		return Key{}, server.Invalid(problems...)
	}
	return v.Store(ctx, o, request.Name, request.Provider, catalog.NewSecret(request.Key))
}

// owner returns in whose name a request acts: the session's own workspace.
func owner(r *http.Request) (Owner, error) {
	subject, ok := identity.FromContext(r.Context())
	if !ok || subject.Workspace.ID == uuid.Nil {
		return Owner{}, server.Unauthorized("Please sign in first.")
	}
	return Owner{Workspace: subject.Workspace.ID, User: subject.UserID, Actor: subject.Actor()}, nil
}

func (h handlers) add(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[storeRequest](r)
	if err != nil {
		return err
	}
	o, err := owner(r)
	if err != nil {
		return err
	}
	key, err := h.Vault.Store(r.Context(), o, request.Name, request.Provider, catalog.NewSecret(request.Key))
	if err != nil {
		return err
	}
	return h.stored(w, r, "Api key stored successfully", key)
}

func (h handlers) rotate(w http.ResponseWriter, r *http.Request) error {
	request, err := server.Bind[rotateRequest](r)
	if err != nil {
		return err
	}
	o, id, err := ownerAndID(r)
	if err != nil {
		return err
	}
	key, err := h.Vault.Rotate(r.Context(), o, id, catalog.NewSecret(request.Key))
	if err != nil {
		return err
	}
	return h.stored(w, r, "Api key replaced successfully", key)
}

func (h handlers) stored(w http.ResponseWriter, r *http.Request, message string, key Key) error {
	return h.Site.Reply(w, r, server.Result{
		Body:     Stored{Success: "true", Message: message, ID: key.ID, APIKey: key},
		Location: keysAddress, Message: message,
	})
}

func (h handlers) remove(w http.ResponseWriter, r *http.Request) error {
	if _, err := server.Bind[nothing](r); err != nil {
		return err
	}
	o, id, err := ownerAndID(r)
	if err != nil {
		return err
	}
	if err := h.Vault.Delete(r.Context(), o, id); err != nil {
		return err
	}
	const message = "Api key deleted successfully"
	return h.Site.Reply(w, r, server.Result{Body: Done{Success: "true", Message: message}, Location: keysAddress, Message: message})
}

// ownerAndID reads the id in the path. One that is no id belongs to nothing.
func ownerAndID(r *http.Request) (Owner, uuid.UUID, error) {
	o, err := owner(r)
	if err != nil {
		return Owner{}, uuid.Nil, err
	}
	id, err := server.PathID(r, "id")
	return o, id, err
}

func (h handlers) list(w http.ResponseWriter, r *http.Request) error {
	o, err := owner(r)
	if err != nil {
		return err
	}
	page, err := server.PageOf(r)
	if err != nil {
		return err
	}
	keys, err := h.Vault.List(r.Context(), o.Workspace, page.After, page.Limit)
	if err != nil {
		return err
	}
	answer := Listed{Success: "true", APIKeys: keys}
	if len(keys) == page.Limit {
		answer.Next = keys[len(keys)-1].ID.String()
	}
	return server.JSON(w, http.StatusOK, answer)
}
