package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	// ClusterAudience is the audience of Kubernetes tokens for the gateway, so
	// that a token made for anything else opens nothing here.
	ClusterAudience = "weft-gateway"
	// ClusterVerb is the verb that a right to call a flow is given with.
	ClusterVerb = "call"

	serviceAccountPrefix = "system:serviceaccount:"
)

// ClusterUser is whom the cluster takes the holder of a token for.
type ClusterUser struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Cluster verifies Kubernetes tokens and the rights of their holders, for flows
// that platform engineers keep without the portal.
type Cluster interface {
	// Review returns the user of a token with the gateway's audience, nil for a
	// token that is not good.
	Review(ctx context.Context, token string) (*ClusterUser, error)
	// MayCall tells whether a user has the right to call a flow.
	MayCall(ctx context.Context, user *ClusterUser, namespace, flow string) (bool, error)
}

// clusterRight is a question about one user and one flow.
type clusterRight struct {
	user, uid string
	name
}

func (g *Gateway) byClusterToken(ctx context.Context, hash [sha256.Size]byte, token string) (caller, error) {
	if !namesGateway(token) {
		return caller{}, errBadCredential
	}
	user, err := g.reviews.get(ctx, hash, func(ctx context.Context) (*ClusterUser, error) { return g.deps.Cluster.Review(ctx, token) })
	switch {
	case err != nil:
		return caller{}, err
	case user == nil || !strings.HasPrefix(user.Name, serviceAccountPrefix):
		return caller{}, errBadCredential
	}
	account := strings.TrimPrefix(user.Name, serviceAccountPrefix)
	return caller{kind: callerCluster, subject: requesttoken.SubjectServiceAccount + account, cluster: user}, nil
}

// namesGateway tells whether a token claims to be for the gateway at all. The
// claim is worth nothing before a review, but without it there is no need for
// one: the API server is spared whatever else has the form of a token.
func namesGateway(token string) bool {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return false
	}
	var claims struct {
		Audience []string `json:"aud"`
	}
	return json.Unmarshal(raw, &claims) == nil && slices.Contains(claims.Audience, ClusterAudience)
}

func (g *Gateway) clusterStanding(ctx context.Context, user *ClusterUser, n name) (standing, error) {
	may, err := g.rights.get(ctx, clusterRight{user.Name, user.UID, n}, func(ctx context.Context) (bool, error) {
		return g.deps.Cluster.MayCall(ctx, user, v1alpha1.WorkspaceNamespacePrefix+n.workspace, n.flow)
	})
	if err != nil || !may {
		return stranger, err
	}
	return holder, nil
}

// NewCluster returns the Cluster behind a client: TokenReview says who,
// SubjectAccessReview (verb call, flows.weft.run) says whether.
func NewCluster(client kubernetes.Interface) Cluster { return &clusterReviews{client: client} }

type clusterReviews struct{ client kubernetes.Interface }

// Review asks with a TokenReview.
func (c *clusterReviews) Review(ctx context.Context, token string) (*ClusterUser, error) {
	review, err := c.client.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{ClusterAudience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("reviewing a Kubernetes token: %w", err)
	}
	// An API server that knows nothing of audiences leaves the list empty; its
	// yes would be about a token for anyone.
	s := review.Status
	if !s.Authenticated || s.Error != "" || len(s.Audiences) != 1 || s.Audiences[0] != ClusterAudience {
		return nil, nil // nil is the answer "nobody", and remembered as one
	}
	user := &ClusterUser{Name: s.User.Username, UID: s.User.UID, Groups: s.User.Groups, Extra: map[string][]string{}}
	for key, values := range s.User.Extra {
		user.Extra[key] = values
	}
	return user, nil
}

// MayCall asks with a SubjectAccessReview.
func (c *clusterReviews) MayCall(ctx context.Context, user *ClusterUser, namespace, flow string) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for key, values := range user.Extra {
		extra[key] = values
	}
	review, err := c.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user.Name, UID: user.UID, Groups: user.Groups, Extra: extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: ClusterVerb, Group: v1alpha1.Group, Resource: "flows", Name: flow,
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("reviewing a right to call a flow: %w", err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}
