package vault

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	// Audience of the tokens that runtimes show here.
	Audience = "weft-vault"
	// testRuntime is the service account of a workspace's test runtime.
	testRuntime   = "weft-test-runtime"
	flowPrefix    = "flow-"
	reviewTimeout = 1500 * time.Millisecond
	maxFetch      = 128
)

// Reviewer asks whose token this is.
type Reviewer interface {
	// Review returns the user name that the token stands for, and ok=false for
	// a token that is not good for the audience.
	Review(ctx context.Context, token, audience string) (username string, ok bool, err error)
}

// KubeReviewer asks the cluster.
type KubeReviewer struct{ Client client.Client }

// Review creates a TokenReview.
func (k KubeReviewer) Review(ctx context.Context, token, audience string) (string, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	review := authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}}}
	if err := k.Client.Create(ctx, &review); err != nil {
		return "", false, fmt.Errorf("reviewing a service account's token: %w", err)
	}
	// An API server that does not know audiences answers without any: then the
	// token proves nothing to us.
	ok := review.Status.Authenticated && review.Status.Error == "" && slices.Contains(review.Status.Audiences, audience)
	return review.Status.User.Username, ok, nil
}

// runtimeID is a runtime that the cluster vouched for.
type runtimeID struct {
	workspace store.Workspace
	namespace string
	account   string
}

func (r runtimeID) actor() string { return "runtime:" + r.namespace + "/" + r.account }

type runtimeKey struct{}

type fetchRequest struct {
	Names []string `json:"names"`
}

type fetchAnswer struct {
	Success string                `json:"success"`
	Keys    map[string]fetchedKey `json:"keys"`
}

// fetchedKey is the only form in which a key ever leaves the vault.
type fetchedKey struct {
	Version int64  `json:"version"`
	Value   string `json:"value"`
}

// Validate checks the names.
func (q *fetchRequest) Validate() []server.FieldError {
	slices.Sort(q.Names)
	q.Names = slices.Compact(q.Names)
	if len(q.Names) < 1 || len(q.Names) > maxFetch {
		return []server.FieldError{{Field: "names", Code: server.CodeInvalid, Message: "1 to 128 names of keys are needed."}}
	}
	for _, name := range q.Names {
		if name != reference(name) {
			return []server.FieldError{{Field: "names", Code: server.CodeInvalid, Message: "This is not the name of a key."}}
		}
	}
	return nil
}

// reviewRuntime is the guard of the route: it finds out which runtime calls.
func (h handlers) reviewRuntime(r *http.Request) (*http.Request, error) {
	token, ok := bearer(r)
	if !ok {
		return nil, server.Unauthorized("Show the runtime's service account token.")
	}
	username, ok, err := h.Reviewer.Review(r.Context(), token, Audience)
	if err != nil {
		return nil, server.Unavailable("cluster", err)
	}
	if !ok {
		return nil, server.Unauthorized("The service account token is not valid here.")
	}
	id, ok := parseAccount(username)
	if !ok {
		return nil, server.Forbidden("This service account is not a runtime's.")
	}
	id.workspace, err = h.Store.FindWorkspace(r.Context(), strings.TrimPrefix(id.namespace, v1alpha1.WorkspaceNamespacePrefix))
	if err != nil {
		return nil, err
	}
	return r.WithContext(context.WithValue(r.Context(), runtimeKey{}, id)), nil
}

func bearer(r *http.Request) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// parseAccount reads system:serviceaccount:weft-ws-W:flow-F.
func parseAccount(username string) (runtimeID, bool) {
	parts := strings.Split(username, ":")
	if len(parts) != 4 || parts[0] != "system" || parts[1] != "serviceaccount" {
		return runtimeID{}, false
	}
	id := runtimeID{namespace: parts[2], account: parts[3]}
	isRuntime := id.account == testRuntime || strings.HasPrefix(id.account, flowPrefix)
	return id, strings.HasPrefix(id.namespace, v1alpha1.WorkspaceNamespacePrefix) && isRuntime
}

func (h handlers) fetch(w http.ResponseWriter, r *http.Request) error {
	asked, err := server.Bind[fetchRequest](r)
	if err != nil {
		return err
	}
	id, ok := r.Context().Value(runtimeKey{}).(runtimeID)
	if !ok {
		return server.Unauthorized("Show the runtime's service account token.")
	}
	why, allowed, err := h.allowed(r, id)
	if err != nil {
		return err
	}
	if missing := without(asked.Names, allowed); len(missing) > 0 {
		if err := h.Vault.refuse(r.Context(), id.workspace.ID, id.actor(), why); err != nil {
			return err
		}
		return forbidden(missing)
	}
	keys, err := h.Vault.Fetch(r.Context(), id.workspace.ID, asked.Names, id.actor(), why)
	if missing, ok := isMissing(err); ok {
		return forbidden(missing.Names)
	}
	if err != nil {
		return err
	}
	answer := fetchAnswer{Success: "true", Keys: make(map[string]fetchedKey, len(keys))}
	for name, key := range keys {
		answer.Keys[name] = fetchedKey{Version: key.Version, Value: key.Value.Reveal()}
	}
	return server.JSON(w, http.StatusOK, answer)
}

func forbidden(names []string) *server.Error {
	return server.Forbidden("No such key for this runtime: " + strings.Join(names, ", ") + ".")
}

func without(names, allowed []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(allowed, name) })
}

// allowed returns the names that a runtime may ask for, and on whose behalf.
func (h handlers) allowed(r *http.Request, id runtimeID) (why string, names []string, err error) {
	if id.account == testRuntime {
		return h.allowedTest(r, id)
	}
	var flow v1alpha1.Flow
	key := client.ObjectKey{Namespace: id.namespace, Name: strings.TrimPrefix(id.account, flowPrefix)}
	if err := h.read(r.Context(), key, &flow); err != nil {
		return "", nil, err
	}
	return "flow", graph.VaultKeys(&flow.Spec), nil
}

// allowedTest reads the run's own token: a test runtime runs everybody's drafts
// of a workspace, so its account alone says too little.
func (h handlers) allowedTest(r *http.Request, id runtimeID) (why string, names []string, err error) {
	token, err := requesttoken.FromHeader(r.Header)
	if err != nil {
		return "no request token", nil, nil //nolint:nilerr // no good token allows no key
	}
	var workspace v1alpha1.Workspace
	if err := h.read(r.Context(), client.ObjectKey{Name: id.workspace.Name}, &workspace); err != nil {
		return "", nil, err
	}
	claims, err := h.RequestTokens.Verify(token, requesttoken.Expect{
		Audience: string(workspace.UID), Method: http.MethodPost, Path: request.TestPath, Now: h.Now(),
	})
	if err != nil || claims.Workspace != id.workspace.Name {
		return "bad request token", nil, nil //nolint:nilerr // no good token allows no key
	}
	return "test by " + claims.Subject, claims.Keys, nil
}

// read gets an object; one that is not there allows nothing.
func (h handlers) read(ctx context.Context, key client.ObjectKey, into client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	err := h.Cluster.Get(ctx, key, into)
	if err != nil && !apierrors.IsNotFound(err) {
		return server.Unavailable("cluster", err)
	}
	return nil
}
