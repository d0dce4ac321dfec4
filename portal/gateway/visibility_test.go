package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// TestWhoMayCall is the whole matrix of visibility and caller.
func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	const (
		private, team, public, none = 0, 1, 2, 3
		ok, no, who                 = http.StatusOK, http.StatusNotFound, http.StatusUnauthorized
	)
	cases := map[string]struct {
		reason string
		header http.Header
		want   [4]int // private, team, public, no such flow
	}{
		"Nobody":        {"Without a credential only what is public answers.", nil, [4]int{who, who, ok, who}},
		"Owner":         {"The owner may call everything in the workspace.", bearer(ownerToken), [4]int{ok, ok, ok, no}},
		"Member":        {"A member may call what the team may.", bearer(memberToken), [4]int{no, ok, ok, no}},
		"Stranger":      {"Somebody known, but not here, is told nothing.", bearer(strangerToken), [4]int{no, no, ok, no}},
		"Key":           {"A key of the flow opens it.", bearer(helloKey), [4]int{ok, ok, ok, no}},
		"KeyInHeader":   {"In either header.", apiKey(helloKey), [4]int{ok, ok, ok, no}},
		"OtherKey":      {"A key of another flow opens that one only.", bearer(otherKey), [4]int{no, no, ok, no}},
		"ExpiredKey":    {"A key that is over is no key.", bearer(expiredKey), [4]int{who, who, who, who}},
		"UnknownKey":    {"Nor is one that nobody made.", bearer(unknownKey), [4]int{who, who, who, who}},
		"ShortKey":      {"Nor is one of another form.", bearer("wk_x"), [4]int{who, who, who, who}},
		"OddKey":        {"Nor is one with odd characters.", bearer(helloKey + "/../x"), [4]int{who, who, who, who}},
		"BadToken":      {"A token that identity refuses is no token.", bearer(badToken), [4]int{who, who, who, who}},
		"OtherScheme":   {"Only bearer credentials are known here.", http.Header{"Authorization": {"Basic b3duZXI6eA=="}}, [4]int{who, who, who, who}},
		"Garbage":       {"Something else is not a credential.", bearer("hello"), [4]int{who, who, who, who}},
		"EmptyBearer":   {"Nothing is not a credential.", http.Header{"Authorization": {"Bearer "}}, [4]int{who, who, who, who}},
		"TokenAsKey":    {"A token is no endpoint key.", apiKey(ownerToken), [4]int{who, who, who, who}},
		"TwoOfOne":      {"Of two credentials nobody knows which counts.", http.Header{"Authorization": {"Bearer " + helloKey, "Bearer " + ownerToken}}, [4]int{who, who, who, who}},
		"TwoKinds":      {"Whatever headers they come in.", http.Header{"Authorization": {"Bearer " + helloKey}, "X-Api-Key": {helloKey}}, [4]int{who, who, who, who}},
		"SessionCookie": {"A browser's session opens nothing here.", http.Header{"Cookie": {"weft-session=" + ownerToken + "; __Host-weft-session=" + ownerToken}}, [4]int{who, who, ok, who}},
		"KubernetesJWT": {"Kubernetes tokens are off unless there is a cluster to ask.", bearer("a.b.c"), [4]int{who, who, who, who}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for visibility, want := range tc.want {
				w := newWorld(t)
				w.pods(newPod(t, nil))
				switch visibility {
				case private:
					w.flow(nil)
				case team:
					w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = v1alpha1.VisibilityTeam })
				case public:
					w.public(nil)
				case none:
				}
				if got := w.do(call{header: tc.header, body: `{"input":1}`}); got.status != want {
					t.Errorf("%s\nvisibility %d: status %d, want %d: %s", tc.reason, visibility, got.status, want, got.body)
				}
			}
		})
	}
}

func TestUnknownVisibilityOpensNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pods(newPod(t, nil))
	for _, visibility := range []v1alpha1.Visibility{"Internet", "public", "PUBLIC"} {
		w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = visibility })
		for name, header := range map[string]http.Header{"nobody": nil, "member": bearer(memberToken), "key": bearer(helloKey)} {
			if got := w.do(call{header: header}); got.status < 400 {
				t.Errorf("visibility %q let %s in", visibility, name)
			}
		}
	}
	w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = "" })
	if got := w.do(call{}); got.status != http.StatusUnauthorized {
		t.Errorf("absent visibility means Private, not %d", got.status)
	}
}

// TestStrangersLearnNothing compares whole answers: what exists, but not for
// this caller, answers like what does not exist.
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	places := map[string]func(*world) string{
		"absent flow":      func(*world) string { return "/f/acme/absent" },
		"absent workspace": func(*world) string { return "/f/nobody/hello" },
		"private flow":     func(w *world) string { w.flow(nil); return "/f/acme/hello" },
		"team flow": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = v1alpha1.VisibilityTeam })
			return "/f/acme/hello"
		},
		"paused flow": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) { f.Spec.State = v1alpha1.StatePaused })
			return "/f/acme/hello"
		},
		"flow without pods": func(w *world) string { w.flow(nil); w.serve(); return "/f/acme/hello" },
		"flow with limits": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) {
				one := int32(1)
				f.Spec.Exposure.RateLimit = &v1alpha1.RateLimit{RequestsPerMinute: &one, PerCallerPerMinute: &one}
				f.Spec.Exposure.MaxBodyBytes = 1
			})
			return "/f/acme/hello"
		},
		"flow with origins": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) { f.Spec.Exposure.AllowedOrigins = []string{"https://shop.example"} })
			return "/f/acme/hello"
		},
		"below a flow": func(w *world) string { w.flow(nil); return "/f/acme/hello/v1/models" },
		"deleted flow": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) { f.DeletionTimestamp = &metav1.Time{Time: time.Now()} })
			return "/f/acme/hello"
		},
		"flow without address": func(w *world) string {
			w.flow(func(f *v1alpha1.Flow) {
				f.Spec.Exposure.Visibility = v1alpha1.VisibilityPublic
				f.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionExposed, Status: metav1.ConditionFalse}}
			})
			return "/f/acme/hello"
		},
		"agent":      func(*world) string { return "/a/acme/helper" },
		"root":       func(*world) string { return "/" },
		"test run":   func(*world) string { return "/test/run" },
		"metrics":    func(*world) string { return "/metrics" },
		"health":     func(*world) string { return "/healthz" },
		"login page": func(*world) string { return "/login" },
	}
	callers := map[string]struct {
		header http.Header
		want   int
	}{
		"nobody":      {nil, http.StatusUnauthorized},
		"unknown key": {bearer(unknownKey), http.StatusUnauthorized},
		"other key":   {bearer(otherKey), http.StatusNotFound},
		"stranger":    {bearer(strangerToken), http.StatusNotFound},
		"foreign page": {http.Header{
			"Authorization": {"Bearer " + strangerToken}, "Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"},
		}, http.StatusNotFound},
	}
	for who, c := range callers {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace} {
			t.Run(who+" "+method, func(t *testing.T) {
				t.Parallel()
				var first *reply
				for place, put := range places {
					w := newWorld(t)
					w.pods(newPod(t, nil))
					got := w.do(call{method: method, path: put(w), header: c.header, body: bodyFor(method)})
					got.header.Del("Date")
					got.header.Del("X-Request-Id")
					if got.status != c.want {
						t.Errorf("%s: status %d, want %d", place, got.status, c.want)
					}
					if first == nil {
						first = &got
						continue
					}
					if diff := cmp.Diff(*first, got, cmp.AllowUnexported(reply{})); diff != "" {
						t.Errorf("%s answers otherwise:\n%s", place, diff)
					}
				}
			})
		}
	}
}

func bodyFor(method string) string {
	if method == http.MethodPost {
		return `{"input":"x"}`
	}
	return ""
}

func TestRequestTokenOfCallers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		header  http.Header
		subject string
	}{
		"User":      {"The runtime learns the user's id, and no more.", bearer(ownerToken), "user:" + ownerID.String()},
		"Key":       {"Or the key's.", bearer(helloKey), "key:" + helloKeyID.String()},
		"Anonymous": {"Or that it is nobody.", nil, "anonymous"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newPod(t, nil)
			w.pods(p)
			w.public(nil)
			if got := w.do(call{path: "/f/acme/h%65llo/v1/models?x=1", header: tc.header, body: `{"input":"hi"}`}); got.status != http.StatusOK || got.body != `{"input":"hi"}` {
				t.Fatalf("%s\n%d %s", tc.reason, got.status, got.body)
			}
			claims := p.lastClaims()
			if life := claims.ExpiresAt.Sub(claims.IssuedAt); life > requesttoken.MaxLife {
				t.Errorf("the token lives for %s", life)
			}
			claims.IssuedAt, claims.ExpiresAt = time.Time{}, time.Time{}
			want := requesttoken.Claims{
				Subject: tc.subject, Audience: helloUID, Method: http.MethodPost, Path: "/f/acme/hello/v1/models",
				Workspace: "acme", Target: "hello",
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			for _, h := range []string{"Authorization", "X-Api-Key", "Cookie"} {
				if v := p.requests()[0].Header.Get(h); v != "" {
					t.Errorf("the runtime got the caller's %s", h)
				}
			}
			if got := p.requests()[0].URL.RawQuery; got != "x=1" {
				t.Errorf("the query became %q", got)
			}
		})
	}
}

// TestRevocation holds promise S5 for endpoint keys, tokens and roles: what is
// taken away stops within a second, however often it is used.
func TestRevocation(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		header http.Header
		revoke func(*world)
		want   int
	}{
		"Key":   {bearer(helloKey), func(w *world) { w.store.set(func(s *fakeStore) { clear(s.keys) }) }, http.StatusUnauthorized},
		"Role":  {bearer(ownerToken), func(w *world) { w.store.set(func(s *fakeStore) { clear(s.roles) }) }, http.StatusNotFound},
		"Token": {bearer(ownerToken), func(w *world) { w.users.set(newFakeUsers().verifyNobody) }, http.StatusUnauthorized},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: time.Now()}
			w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Now = c.Now }))
			w.pods(newPod(t, nil))
			w.flow(nil)
			if got := w.do(call{header: tc.header}); got.status != http.StatusOK {
				t.Fatalf("before: %d", got.status)
			}
			tc.revoke(w)
			c.move(time.Second)
			if got := w.do(call{header: tc.header}); got.status != tc.want {
				t.Errorf("a second later: status %d, want %d", got.status, tc.want)
			}
		})
	}
}

func TestCredentialsAreAskedForOnce(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Now = c.Now }))
	w.pods(newPod(t, nil))
	w.flow(nil)
	for i := range 20 {
		header := bearer(helloKey)
		if i%2 == 1 {
			header = bearer(unknownKey)
		}
		w.do(call{header: header})
	}
	if n := w.store.count(); n != 2 {
		t.Errorf("the database was asked %d times for a good and a bad key within a second", n)
	}
}

func TestUseOfKeyIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pods(newPod(t, nil))
	w.flow(nil)
	go w.gateway.Run(t.Context())
	for range 3 {
		w.do(call{header: bearer(helloKey)})
	}
	eventually(t, "the use is noted once", func() bool {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		return len(w.store.touched) == 1 && w.store.touched[0] == helloKeyID
	})
}

// eventually waits for what happens beside the requests.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("it never came true that %s", what)
		}
	}
}

func ExampleConfig() {
	c := gateway.Config{}.WithDefaults()
	fmt.Println(c.CredentialTTL, c.TokenReuse, c.Validate())
	// Output: 1s 10s <nil>
}
