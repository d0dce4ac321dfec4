package identity_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

// mute listens and never answers, like a host behind a broken network.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func redisAt(t *testing.T, address string) *redis.Client {
	t.Helper()
	c, err := server.OpenRedis("redis://" + address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// garbage answers everything with something that is not Redis.
func garbage(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					if _, err := conn.Read(make([]byte, 512)); err != nil {
						return
					}
					if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n{\"administrator\":true}\r\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestWithoutRedis shows that Redis is a cache and nothing more: whatever
// happens to it, good credentials are good and bad ones are not.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"down": "127.0.0.1:1", "mute": mute(t), "garbage": garbage(t)} {
		p := serve(t, func(p *portaltest.Portal) { p.Deps.Redis = redisAt(t, address) })
		agent, _ := p.SignUp(t, "one@example.com")
		start := time.Now()
		if got := agent.Get(t, "/account"); got.Status != 200 {
			t.Errorf("Redis %s: %d, want 200", name, got.Status)
		}
		if out := agent.JSON(t, "/logout", struct{}{}); out.Status != 200 {
			t.Errorf("Redis %s: logout %d %s", name, out.Status, out.Body)
		}
		if got := agent.Get(t, "/account"); got.Status != 401 {
			t.Errorf("Redis %s: after the logout %d, want 401", name, got.Status)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("Redis %s: three requests took %v, at most 2s each", name, took)
		}
	}
}

// TestRedisCannotMakeSessions shows that whoever writes to Redis gets nothing.
func TestRedisCannotMakeSessions(t *testing.T) {
	t.Parallel()
	p := serve(t)
	one, _ := p.SignUp(t, "one@example.com")
	two, _ := p.SignUp(t, "two@example.com")
	for _, agent := range []*portaltest.Agent{one, two} {
		if got := agent.Get(t, "/account"); got.Status != 200 {
			t.Fatalf("warming the cache: %d", got.Status)
		}
	}
	var keys []string
	scan := p.Deps.Redis.Scan(t.Context(), 0, "weft-test-*:session:*", 1000).Iterator()
	for scan.Next(t.Context()) {
		keys = append(keys, scan.Val())
	}
	// Other tests share the server: swap every pair of entries, and forge one.
	subject, err := p.Identity.Verify(t.Context(), request(t, p.URL, "Authorization", "Bearer "+one.Bearer))
	if err != nil {
		t.Fatal(err)
	}
	var mine, foreign string
	for _, key := range keys {
		if strings.HasSuffix(key, subject.SessionID.String()) {
			mine = key
		}
	}
	other, err := p.Identity.Verify(t.Context(), request(t, p.URL, "Authorization", "Bearer "+two.Bearer))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, other.SessionID.String()) {
			foreign = key
		}
	}
	if mine == "" || foreign == "" {
		t.Fatal("the sessions are not in the cache; the test proves nothing")
	}
	sealed, err := p.Deps.Redis.Get(t.Context(), foreign).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("two@example.com")) {
		t.Error("the cache holds a person's address as it is")
	}
	for name, planted := range map[string][]byte{
		"another's entry": sealed, "JSON": []byte(`{"ID":"` + subject.SessionID.String() + `","Administrator":true}`), "nothing": {},
	} {
		if err := p.Deps.Redis.Set(t.Context(), mine, planted, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		got, err := p.Identity.Verify(t.Context(), request(t, p.URL, "Authorization", "Bearer "+one.Bearer))
		if err != nil || got.Email != "one@example.com" {
			t.Errorf("with %s planted: %+v, %v", name, got, err)
		}
	}
}

func request(t *testing.T, base, header, value string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", base+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	return r
}

// TestWithoutDatabase holds promise S4: without the database nobody passes, and
// the answer says so within two seconds.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"down": "127.0.0.1:1", "mute": mute(t)} {
		p := serve(t)
		agent, _ := p.SignUp(t, "one@example.com")
		away, err := store.Open(t.Context(), store.Config{URL: "postgres://u:p@" + address + "/x"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(away.Close)
		p.Deps.Store = away
		p.Identity = p.NewIdentity(t)
		p.Serve(t, p.IdentityRoutes(t))
		agent.Base = p.URL
		for what, ask := range map[string]func() portaltest.Answer{
			"account": func() portaltest.Answer { return agent.Get(t, "/account") },
			"login": func() portaltest.Answer {
				return portaltest.NewAgent(t, p.URL).JSON(t, "/login", map[string]string{"user": "one@example.com", "password": portaltest.Password})
			},
			"signup": func() portaltest.Answer {
				return portaltest.NewAgent(t, p.URL).JSON(t, "/signup", map[string]string{"name": "N", "email": "new@example.com", "birth": "01/01/2000", "password": "long enough"})
			},
			"refresh": func() portaltest.Answer {
				return portaltest.NewAgent(t, p.URL).JSON(t, "/token/refresh", map[string]string{"refreshToken": strings.Repeat("A", 43)})
			},
		} {
			start := time.Now()
			answer := ask()
			if took := time.Since(start); answer.Status != 503 || took > 3*time.Second || !strings.Contains(answer.Body, "database") || answer.Header.Get("Retry-After") == "" {
				t.Errorf("database %s: %s answers %d after %v: %s", name, what, answer.Status, took, answer.Body)
			}
		}
	}
}

// TestIdentityServerMisbehaves holds promise S4 for modules that ask an identity
// server elsewhere.
func TestIdentityServerMisbehaves(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, _ := p.SignUp(t, "one@example.com")
	good := agent.JSON(t, "/identity/verify", struct{}{}, portaltest.With("Content-Type", "application/json"))
	if good.Status != 200 {
		t.Fatalf("verify: %d %s", good.Status, good.Body)
	}
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const asJSON = "application/json; charset=utf-8"
	cases := map[string]struct {
		handler http.HandlerFunc
		status  int
	}{
		"Unauthorized": {answer(401, asJSON, `{}`), 401},
		"Error":        {answer(500, asJSON, good.Body), 503},
		"Unavailable":  {answer(503, asJSON, good.Body), 503},
		"NotFound":     {answer(404, asJSON, good.Body), 503},
		"NoContent":    {answer(204, asJSON, ""), 503},
		"Redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, p.URL+"/identity/verify", http.StatusTemporaryRedirect)
		}, 503},
		"Garbage":        {answer(200, asJSON, "<html>"), 503},
		"Empty":          {answer(200, asJSON, ""), 503},
		"EmptyObject":    {answer(200, asJSON, "{}"), 503},
		"WrongType":      {answer(200, "text/html", good.Body), 503},
		"SuccessFalse":   {answer(200, asJSON, strings.Replace(good.Body, `"true"`, `"false"`, 1)), 503},
		"NoUser":         {answer(200, asJSON, strings.Replace(good.Body, `"userId"`, `"other"`, 1)), 503},
		"NoWorkspace":    {answer(200, asJSON, strings.Replace(good.Body, `"workspace"`, `"other"`, 1)), 503},
		"Cut":            {answer(200, asJSON, good.Body[:len(good.Body)/2]), 503},
		"Endless":        {answer(200, asJSON, strings.Repeat(" ", 1<<20)+good.Body), 503},
		"Slow":           {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 503},
		"ConnectionCut":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503},
		"PassedAsItIs":   {answer(200, asJSON, good.Body), 200},
		"TrailingObject": {answer(200, asJSON, good.Body+"{}"), 503},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			identityServer := httptest.NewServer(tc.handler)
			defer identityServer.Close()
			status, took := askThrough(t, p, identityServer.URL, agent.Bearer)
			if status != tc.status || took > 2*time.Second {
				t.Errorf("%d after %v, want %d within 2s", status, took, tc.status)
			}
		})
	}
	if status, took := askThrough(t, p, "http://127.0.0.1:1", agent.Bearer); status != 503 || took > 2*time.Second {
		t.Errorf("down: %d after %v, want 503", status, took)
	}
}

// askThrough serves a portal that asks an identity server elsewhere.
func askThrough(t *testing.T, p *portaltest.Portal, address, bearer string) (int, time.Duration) {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	served := p.ServeWith(t, identity.NewRemote(base, p.Deps.Site), p.IdentityRoutes(t))
	agent := portaltest.NewAgent(t, served)
	agent.Bearer = bearer
	start := time.Now()
	return agent.JSON(t, "/identity/verify", struct{}{}).Status, time.Since(start)
}
