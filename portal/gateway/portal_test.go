package gateway_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/store"
)

// estate is a gateway beside a real portal, with a flow of a real user.
type estate struct {
	*world
	portal  *portaltest.Portal
	owner   *portaltest.Agent
	subject identity.Subject
	flow    store.Flow
	path    string
}

// newEstate needs a real Postgres and a real Redis.
func newEstate(t *testing.T) *estate {
	t.Helper()
	p := portaltest.New(t)
	p.Serve(t, p.IdentityRoutes(t))
	owner, _ := p.SignUp(t, "owner@example.com")
	e := &estate{portal: p, owner: owner}
	var err error
	if e.subject, err = p.Identity.Verify(t.Context(), withBearer(owner.Bearer)); err != nil {
		t.Fatal(err)
	}
	if e.flow, err = p.Deps.Store.CreateFlow(t.Context(), e.subject.Workspace.ID, store.NewFlow{ID: store.NewID(), Name: "hello", Title: "Hello", Draft: []byte(`{}`), UserID: e.subject.UserID}); err != nil {
		t.Fatal(err)
	}
	e.world = newWorld(t, withDeps(func(d *gateway.Deps) {
		d.Users, d.Store, d.Redis, d.Now = p.Identity, p.Deps.Store, p.Deps.Redis, p.Clock.Now
	}))
	e.path = "/f/" + e.subject.Workspace.Name + "/hello"
	e.show(v1alpha1.VisibilityPrivate)
	pod := newPod(t, nil)
	pod.Config.Handler = http.HandlerFunc(echo)
	s := slice(t, 0, pod.Listener.Addr().String(), discoveryv1.EndpointConditions{})
	s.Namespace = e.subject.Workspace.Namespace()
	e.directory.SetSlice(s)
	return e
}

func (e *estate) show(v v1alpha1.Visibility) {
	f := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: e.subject.Workspace.Namespace(), Name: "hello", UID: helloUID}}
	f.Spec.Exposure.Visibility = v
	e.directory.SetFlow(f)
}

func (e *estate) answers(t *testing.T, what string, header http.Header, want int) {
	t.Helper()
	start := time.Now()
	if got := e.do(call{path: e.path, header: header, body: "{}"}); got.status != want || time.Since(start) > 2*time.Second {
		t.Errorf("%s: %d after %s, want %d: %s", what, got.status, time.Since(start), want, got.body)
	}
}

func withBearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestWithPortal(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	stranger, _ := e.portal.SignUp(t, "stranger@example.com")
	e.answers(t, "nobody", nil, http.StatusUnauthorized)
	e.answers(t, "the owner", bearer(e.owner.Bearer), http.StatusOK)
	e.answers(t, "a stranger", bearer(stranger.Bearer), http.StatusNotFound)
	e.answers(t, "a token that was changed", bearer(e.owner.Bearer[:len(e.owner.Bearer)-4]+"AAAA"), http.StatusUnauthorized)
	e.answers(t, "the owner's browser", http.Header{"Cookie": {"weft-session=" + e.owner.Cookie(t, "weft-session")}}, http.StatusUnauthorized)
	e.show(v1alpha1.VisibilityPublic)
	e.answers(t, "nobody, public", nil, http.StatusOK)
}

func TestEndpointKeyOfPortal(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	hash := sha256.Sum256([]byte(helloKey))
	id, err := e.portal.Deps.Store.CreateEndpointKey(t.Context(), store.NewEndpointKey{
		WorkspaceID: e.subject.Workspace.ID, FlowID: e.flow.ID, Title: "Shop", Hash: hash[:], Last4: "ghij",
		CreatedBy: e.subject.UserID, Actor: e.subject.Actor(),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.answers(t, "a key", bearer(helloKey), http.StatusOK)
	e.answers(t, "another key", bearer(unknownKey), http.StatusUnauthorized)
	if err := e.portal.Deps.Store.RevokeEndpointKey(t.Context(), e.subject.Workspace.ID, e.flow.ID, id, e.subject.Actor()); err != nil {
		t.Fatal(err)
	}
	e.portal.Clock.Advance(time.Second)
	e.answers(t, "a revoked key, a second later", bearer(helloKey), http.StatusUnauthorized)
}

func TestLogoutReachesTheGateway(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.answers(t, "the owner", bearer(e.owner.Bearer), http.StatusOK)
	if got := e.owner.JSON(t, "/logout", struct{}{}); got.Status != http.StatusOK {
		t.Fatalf("logging out: %d %s", got.Status, got.Body)
	}
	e.portal.Clock.Advance(time.Second)
	e.answers(t, "the owner, a second after logging out", bearer(e.owner.Bearer), http.StatusUnauthorized)
}

func TestDatabaseOfPortalIsAway(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.answers(t, "the owner", bearer(e.owner.Bearer), http.StatusOK)
	e.portal.Deps.Store.Close()
	e.portal.Clock.Advance(time.Second)
	e.answers(t, "the owner, without a database", bearer(e.owner.Bearer), http.StatusServiceUnavailable)
	e.answers(t, "a key, without a database", bearer(helloKey), http.StatusServiceUnavailable)
	e.answers(t, "nobody, without a database", nil, http.StatusUnauthorized)
	e.show(v1alpha1.VisibilityPublic)
	e.answers(t, "nobody, public, without a database", nil, http.StatusOK)
}
