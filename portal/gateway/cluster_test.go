package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
)

// jws has the form of a Kubernetes token with these claims.
func jws(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl"
}

var accountToken = jws(`{"aud":["weft-gateway"],"sub":"system:serviceaccount:ci:deployer"}`)

// kubernetes is an API server that knows one ServiceAccount, and the right of
// it to call acme/hello.
type kubernetes struct {
	status  authenticationv1.TokenReviewStatus
	allowed bool
	denied  bool
	err     error
	hang    bool
	reviews atomic.Int32
	rights  atomic.Int32
}

func (k *kubernetes) cluster() gateway.Cluster {
	client := fake.NewClientset()
	client.PrependReactor("create", "tokenreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		k.reviews.Add(1)
		review := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
		if len(review.Spec.Audiences) != 1 || review.Spec.Audiences[0] != "weft-gateway" {
			return true, review, nil
		}
		review.Status = k.status
		return true, review, k.err
	})
	client.PrependReactor("create", "subjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		k.rights.Add(1)
		review := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
		want := authorizationv1.ResourceAttributes{Namespace: "weft-ws-acme", Verb: "call", Group: "weft.run", Resource: "flows", Name: "hello"}
		asked := review.Spec.ResourceAttributes
		review.Status.Allowed = k.allowed && asked != nil && asked.Namespace == want.Namespace && asked.Verb == want.Verb &&
			asked.Group == want.Group && asked.Resource == want.Resource && asked.Name == want.Name && review.Spec.User == k.status.User.Username
		review.Status.Denied = k.denied
		return true, review, k.err
	})
	return &maybeHanging{gateway.NewCluster(client), k}
}

// maybeHanging is an API server that may not answer.
type maybeHanging struct {
	gateway.Cluster
	k *kubernetes
}

func (m *maybeHanging) Review(ctx context.Context, token string) (*gateway.ClusterUser, error) {
	if m.k.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Cluster.Review(ctx, token)
}

func account(audiences ...string) authenticationv1.TokenReviewStatus {
	return authenticationv1.TokenReviewStatus{
		Authenticated: true, Audiences: audiences,
		User: authenticationv1.UserInfo{Username: "system:serviceaccount:ci:deployer", UID: "u1", Groups: []string{"system:serviceaccounts"}},
	}
}

func TestServiceAccounts(t *testing.T) {
	t.Parallel()
	human := account("weft-gateway")
	human.User.Username = "kubernetes-admin"
	failed := account("weft-gateway")
	failed.Error = "token expired"
	cases := map[string]struct {
		reason     string
		kubernetes *kubernetes
		visibility v1alpha1.Visibility
		want       int
	}{
		"Allowed":       {"A ServiceAccount with the right may call.", &kubernetes{status: account("weft-gateway"), allowed: true}, v1alpha1.VisibilityPrivate, 200},
		"NotAllowed":    {"One without it is told nothing.", &kubernetes{status: account("weft-gateway")}, v1alpha1.VisibilityPrivate, 404},
		"Denied":        {"A denial counts more than a permission.", &kubernetes{status: account("weft-gateway"), allowed: true, denied: true}, v1alpha1.VisibilityPrivate, 404},
		"Public":        {"What is public needs no right.", &kubernetes{status: account("weft-gateway")}, v1alpha1.VisibilityPublic, 200},
		"BadToken":      {"A token that the cluster refuses is none.", &kubernetes{}, v1alpha1.VisibilityPublic, 401},
		"WithError":     {"Nor is one with an error.", &kubernetes{status: failed, allowed: true}, v1alpha1.VisibilityPrivate, 401},
		"OtherAudience": {"Nor is one for another audience.", &kubernetes{status: account("https://kubernetes.default.svc"), allowed: true}, v1alpha1.VisibilityPrivate, 401},
		"NoAudience":    {"Nor one of a server that knows no audiences.", &kubernetes{status: account(), allowed: true}, v1alpha1.VisibilityPrivate, 401},
		"TwoAudiences":  {"Nor one that is good for two.", &kubernetes{status: account("weft-gateway", "x"), allowed: true}, v1alpha1.VisibilityPrivate, 401},
		"Human":         {"Only ServiceAccounts call with cluster tokens.", &kubernetes{status: human, allowed: true}, v1alpha1.VisibilityPrivate, 401},
		"Down":          {"An API server that is away opens nothing.", &kubernetes{err: errors.New("connection refused")}, v1alpha1.VisibilityPrivate, 503},
		"Slow":          {"Nor a slow one.", &kubernetes{hang: true}, v1alpha1.VisibilityPrivate, 503},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t, withDeps(func(d *gateway.Deps) { d.Cluster = tc.kubernetes.cluster() })), newPod(t, nil)
			w.pods(p)
			w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = tc.visibility })
			start := time.Now()
			got := w.do(call{header: bearer(accountToken), body: "{}"})
			if got.status != tc.want || time.Since(start) > 2*time.Second {
				t.Errorf("%s\nstatus %d after %s, want %d", tc.reason, got.status, time.Since(start), tc.want)
			}
			if got.status == http.StatusOK && p.lastClaims().Subject != "serviceaccount:ci:deployer" {
				t.Errorf("%s\nsubject %q", tc.reason, p.lastClaims().Subject)
			}
		})
	}
}

// TestOtherTokensAreNotReviewed: what does not even claim to be for the gateway
// costs the API server nothing.
func TestOtherTokensAreNotReviewed(t *testing.T) {
	t.Parallel()
	k := &kubernetes{status: account("weft-gateway"), allowed: true}
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Cluster = k.cluster() }))
	w.pods(newPod(t, nil))
	w.public(nil)
	for _, token := range []string{
		"a.b.c", "..", "eyJh.eyJz.c2ln", jws(`{}`), jws(`{"aud":"weft-gateway"}`), jws(`{"aud":["https://kubernetes.default.svc"]}`), jws(`{"aud":["weft-gateway-2"]}`), jws(`[]`), jws(``),
	} {
		if got := w.do(call{header: bearer(token)}); got.status != http.StatusUnauthorized {
			t.Errorf("%q: %d", token, got.status)
		}
	}
	if n := k.reviews.Load(); n != 0 {
		t.Errorf("%d reviews", n)
	}
}

func TestServiceAccountsAreRemembered(t *testing.T) {
	t.Parallel()
	k := &kubernetes{status: account("weft-gateway"), allowed: true}
	c := &clock{now: time.Now()}
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Cluster, d.Now = k.cluster(), c.Now }))
	w.pods(newPod(t, nil))
	w.flow(nil)
	for range 5 {
		if got := w.do(call{header: bearer(accountToken)}); got.status != http.StatusOK {
			t.Fatalf("status %d", got.status)
		}
	}
	if k.reviews.Load() != 1 || k.rights.Load() != 1 {
		t.Errorf("%d reviews, %d questions about rights for one caller", k.reviews.Load(), k.rights.Load())
	}
	// Another flow is another question.
	if got := w.do(call{path: "/f/acme/other", header: bearer(accountToken)}); got.status != http.StatusNotFound || k.rights.Load() != 2 {
		t.Errorf("another flow: %d, %d questions", got.status, k.rights.Load())
	}
	k.allowed = false
	c.move(10 * time.Second)
	if got := w.do(call{header: bearer(accountToken)}); got.status != http.StatusNotFound {
		t.Errorf("ten seconds after the right was taken away: %d", got.status)
	}
	if strings.Contains(w.logs.String(), accountToken) {
		t.Error("the token is in the log")
	}
}
