package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// TestFailsClosed holds promise S4: whatever a decision needs may be away, slow
// or wrong; then the answer is 401 or 503 within 2 s, and never a pass.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	say := func(s identity.Subject, err error) func(*world) {
		return func(w *world) {
			w.users.set(func(context.Context, string) (identity.Subject, error) { return s, err })
		}
	}
	database := func(change func(*fakeStore)) func(*world) { return func(w *world) { w.store.set(change) } }
	const down, nobody = http.StatusServiceUnavailable, http.StatusUnauthorized
	cases := map[string]struct {
		reason string
		header http.Header
		break_ func(*world)
		want   int
	}{
		"IdentityDown":       {"No answer is no pass.", bearer(ownerToken), say(identity.Subject{}, errors.New("connection refused")), down},
		"Identity503":        {"It says that it cannot tell.", bearer(ownerToken), say(identity.Subject{}, server.Unavailable("database", nil)), down},
		"Identity500":        {"Any error but a clear no is trouble.", bearer(ownerToken), say(identity.Subject{}, &server.Error{Status: http.StatusInternalServerError}), down},
		"Identity200AsError": {"An error with a good status is an error.", bearer(ownerToken), say(identity.Subject{UserID: ownerID}, &server.Error{Status: http.StatusOK}), down},
		"IdentityNobody":     {"A yes without a name is a no.", bearer(ownerToken), say(identity.Subject{Administrator: true}, nil), nobody},
		"IdentitySlow": {"It is not waited for.", bearer(ownerToken), func(w *world) {
			w.users.set(func(ctx context.Context, _ string) (identity.Subject, error) {
				<-ctx.Done()
				return identity.Subject{}, ctx.Err()
			})
		}, down},
		"IdentityIgnoresContext": {"Even where it does not know when to stop.", bearer(ownerToken), func(w *world) {
			forever := make(chan struct{})
			w.t.Cleanup(func() { close(forever) })
			w.users.set(func(context.Context, string) (identity.Subject, error) {
				<-forever
				return identity.Subject{UserID: ownerID}, nil
			})
		}, down},
		"DatabaseDownForKey":  {"A key that cannot be looked up opens nothing.", bearer(helloKey), database(func(s *fakeStore) { s.err = store.ErrUnavailable }), down},
		"DatabaseDownForRole": {"Nor does a role.", bearer(ownerToken), database(func(s *fakeStore) { s.err = store.ErrUnavailable }), down},
		"DatabaseSlowForKey":  {"It is not waited for.", bearer(helloKey), database(func(s *fakeStore) { s.hang = true }), down},
		"DatabaseSlowForRole": {"Nor here.", bearer(ownerToken), database(func(s *fakeStore) { s.hang = true }), down},
		"DatabaseEmptyKey": {"A row without ids is garbage.", bearer(helloKey), database(func(s *fakeStore) {
			for k := range s.keys {
				s.keys[k] = store.EndpointKey{}
			}
		}), nobody},
		"DatabaseOddRole": {"A role without a name is none.", bearer(ownerToken), database(func(s *fakeStore) { s.roles[ownerID] = "" }), http.StatusNotFound},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := newWorld(t), newPod(t, nil)
			w.pods(p)
			w.flow(nil)
			tc.break_(w)
			start := time.Now()
			got := w.do(call{header: tc.header, body: "{}"})
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s\nit took %s", tc.reason, took)
			}
			if got.status != tc.want {
				t.Errorf("%s\nstatus %d, want %d: %s", tc.reason, got.status, tc.want, got.body)
			}
			got.message(t)
			if len(p.requests()) != 0 {
				t.Errorf("%s\nthe request reached the pod", tc.reason)
			}
		})
	}
}

func TestRecoversAfterTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pods(newPod(t, nil))
	w.flow(nil)
	w.store.set(func(s *fakeStore) { s.err = store.ErrUnavailable })
	if got := w.do(call{header: bearer(helloKey)}); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Fatalf("in trouble: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	w.store.set(func(s *fakeStore) { s.err = nil })
	eventually(t, "the key works again", func() bool { return w.do(call{header: bearer(helloKey)}).status == http.StatusOK })
}

func TestUnsyncedDirectoryIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Directory = gateway.NewDirectory() }))
	if got := w.do(call{}); got.status != http.StatusServiceUnavailable {
		t.Errorf("before it knows all flows, the gateway answers %d", got.status)
	}
	if err := w.gateway.Ready(); err == nil {
		t.Error("it says that it is ready")
	}
}

// TestLimitsHoldWithoutRedis: Redis down, slow or raving is no way around a
// limit. One gateway of two admits half.
func TestLimitsHoldWithoutRedis(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"Down":    closedAddress(t),
		"Silent":  rawServer(t, func(c net.Conn) { io.Copy(io.Discard, c) }),
		"Garbage": rawServer(t, func(c net.Conn) { io.WriteString(c, strings.Repeat("HTTP/1.1 200 OK\r\n", 1000)) }),
		"AlwaysOK": rawServer(t, func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				io.WriteString(c, "+OK\r\n")
			}
		}),
		"Generous": rawServer(t, func(c net.Conn) {
			buf := make([]byte, 4096)
			for {
				if _, err := c.Read(buf); err != nil {
					return
				}
				io.WriteString(c, "*4\r\n:1000000\r\n:1000000\r\n:0\r\n:0\r\n")
			}
		}),
	}
	for name, address := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
			t.Cleanup(func() { client.Close() })
			w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }))
			w.pods(newPod(t, nil))
			w.public(func(f *v1alpha1.Flow) {
				twenty, thirty := int32(20), int64(30)
				f.Spec.Exposure.RateLimit = &v1alpha1.RateLimit{RequestsPerMinute: &twenty, PerDay: &thirty}
			})
			passed := 0
			for range 30 {
				start := time.Now()
				got := w.do(call{})
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("a request took %s", took)
				}
				switch got.status {
				case http.StatusOK:
					passed++
				case http.StatusTooManyRequests:
				default:
					t.Errorf("status %d: %s", got.status, got.body)
				}
			}
			if passed < 10 || passed > 12 {
				t.Errorf("%d of 30 requests passed; half of the limit of 20 is 10", passed)
			}
		})
	}
}

func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rawServer hands every connection to a function.
func rawServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}
