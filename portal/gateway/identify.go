package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	// KeyPrefix begins every endpoint key.
	KeyPrefix = "wk_"
	// APIKeyHeader carries an endpoint key for clients that cannot set
	// Authorization.
	APIKeyHeader = "X-Api-Key"

	minKey        = 20
	maxKey        = 200
	maxCredential = 8 << 10
)

// callerKind says by what a caller is known.
type callerKind int

const (
	callerAnonymous callerKind = iota
	callerUser
	callerKey
	callerCluster
)

func (k callerKind) String() string {
	switch k {
	case callerAnonymous:
		return "anonymous"
	case callerUser:
		return "user"
	case callerKey:
		return "key"
	case callerCluster:
		return "cluster"
	}
	return "unknown"
}

// caller is who calls, as the identity decision found.
type caller struct {
	kind callerKind
	// subject is what the request token says.
	subject string
	// user is set for callerUser.
	user uuid.UUID
	// key is set for callerKey.
	key store.EndpointKey
	// cluster is set for callerCluster.
	cluster *ClusterUser
	// allowed is set once the caller is known to be allowed to call.
	allowed bool
}

var anonymous = caller{kind: callerAnonymous, subject: requesttoken.SubjectAnonymous}

// Keys finds endpoint keys by the SHA-256 of the whole key. *store.Store is
// one.
type Keys interface {
	FindEndpointKey(ctx context.Context, hash []byte) (store.EndpointKey, error)
	TouchEndpointKey(ctx context.Context, workspace, key uuid.UUID, at time.Time) error
}

var errBadCredential = errors.New("the credential is not good")

// identify makes the identity decision: the caller of a good credential,
// anonymous where there is none, and an answer that ends the request for
// everything else. It depends on the credential alone, never on the flow.
func (g *Gateway) identify(ctx context.Context, h http.Header) (caller, error) {
	credential, err := credentialOf(h)
	if err != nil {
		return caller{}, unauthorized(err)
	}
	if credential == "" {
		return anonymous, nil
	}
	c, err := g.authenticate(ctx, credential)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, errBadCredential):
		return caller{}, unauthorized(err)
	case ctx.Err() != nil:
		return caller{}, canceled()
	}
	return caller{}, unavailable("identity service", err)
}

// credentialOf returns the one credential of a request. Two are refused: which
// of them counts would be anybody's guess.
func credentialOf(h http.Header) (string, error) {
	bearer, keys := h.Values("Authorization"), h.Values(APIKeyHeader)
	switch {
	case len(bearer)+len(keys) == 0:
		return "", nil
	case len(bearer)+len(keys) > 1:
		return "", errors.New("more than one credential")
	case len(keys) == 1 && !strings.HasPrefix(keys[0], KeyPrefix):
		return "", errors.New(APIKeyHeader + " does not hold an endpoint key")
	case len(keys) == 1:
		return keys[0], nil
	}
	scheme, credential, ok := strings.Cut(bearer[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || credential == "" || len(credential) > maxCredential {
		return "", errors.New("not a bearer credential")
	}
	return credential, nil
}

// authenticate asks the one authenticator that a credential of this form is
// for. A credential can have one form only, so there is no fall-through from
// one authenticator to the next.
func (g *Gateway) authenticate(ctx context.Context, credential string) (caller, error) {
	hash := sha256.Sum256([]byte(credential))
	switch {
	case strings.HasPrefix(credential, KeyPrefix):
		if !wellFormedKey(credential) {
			return caller{}, errBadCredential
		}
		return g.byKey(ctx, hash)
	case strings.Count(credential, ".") == 4: // a JWE: an access token of ours
		return g.byToken(ctx, hash, credential)
	case strings.Count(credential, ".") == 2 && g.deps.Cluster != nil: // a JWS: a Kubernetes token
		return g.byClusterToken(ctx, hash, credential)
	}
	return caller{}, errBadCredential
}

func wellFormedKey(key string) bool {
	if len(key) < minKey || len(key) > maxKey {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// byKey finds the endpoint key with that hash. Absence is remembered as well.
func (g *Gateway) byKey(ctx context.Context, hash [sha256.Size]byte) (caller, error) {
	key, err := g.keys.get(ctx, hash, func(ctx context.Context) (*store.EndpointKey, error) {
		found, err := g.deps.Store.FindEndpointKey(ctx, hash[:])
		switch {
		case errors.Is(err, store.ErrNotFound):
			return nil, nil // nil is the answer "no such key", and remembered as one
		case err != nil:
			return nil, fmt.Errorf("finding an endpoint key: %w", err)
		}
		return &found, nil
	})
	now := g.deps.Now()
	switch {
	case err != nil:
		return caller{}, err
	case key == nil, key.ID == uuid.Nil, key.WorkspaceName == "", key.FlowName == "":
		return caller{}, errBadCredential
	case key.ExpiresAt != nil && !now.Before(*key.ExpiresAt):
		return caller{}, errBadCredential
	}
	g.touch(key, now)
	return caller{kind: callerKey, subject: requesttoken.SubjectKey + key.ID.String(), key: *key}, nil
}

// byToken asks the identity service whose access token this is. It gets that
// token and nothing else of the request: a session cookie that a browser sends
// along (cookies do not know ports) must never open anything here.
func (g *Gateway) byToken(ctx context.Context, hash [sha256.Size]byte, token string) (caller, error) {
	user, err := g.users.get(ctx, hash, func(ctx context.Context) (uuid.UUID, error) {
		subject, err := g.deps.Users.Verify(ctx, bearerRequest(ctx, token))
		var said *server.Error
		switch {
		case errors.As(err, &said) && said.Status == http.StatusUnauthorized:
			return uuid.Nil, nil // remembered as "nobody"
		case err != nil:
			return uuid.Nil, fmt.Errorf("verifying an access token: %w", err)
		}
		return subject.UserID, nil
	})
	switch {
	case err != nil:
		return caller{}, err
	case user == uuid.Nil:
		return caller{}, errBadCredential
	}
	return caller{kind: callerUser, subject: requesttoken.SubjectUser + user.String(), user: user}, nil
}

func bearerRequest(ctx context.Context, token string) *http.Request {
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/"}, Host: "gateway", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Authorization": {"Bearer " + token}}, Body: http.NoBody,
	}
	return r.WithContext(ctx)
}
