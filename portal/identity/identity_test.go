package identity_test

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/server"
)

func serve(t *testing.T, options ...func(*portaltest.Portal)) *portaltest.Portal {
	t.Helper()
	p := portaltest.New(t, options...)
	p.Serve(t, append(p.IdentityRoutes(t), p.TokenRoute()))
	return p
}

// TestOwnersBodies sends the bodies of the owner's document to the letter.
func TestOwnersBodies(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent := portaltest.NewAgent(t, p.URL)
	signup := agent.Do(t, "POST", "/signup", "application/json", `{
    "name": "John Doe",
    "email": "123@123.com",
    "birth": "17/12/1011",
    "password": "correct horse"
  }`)
	if signup.Status != 200 || signup.Text(t, "success") != "true" || signup.Text(t, "jwt") == "" || signup.Text(t, "user", "email") != "123@123.com" {
		t.Fatalf("sign-up: %d %s", signup.Status, signup.Body)
	}
	if diff := cmp.Diff("17/12/1011", signup.Text(t, "user", "birth")); diff != "" {
		t.Errorf("birth (-want +got):\n%s", diff)
	}
	again := portaltest.NewAgent(t, p.URL)
	login := again.Do(t, "POST", "/login", "application/json", `{"user": "123@123.com", "password": "correct horse"}`)
	if login.Status != 200 || login.Text(t, "success") != "true" || login.Text(t, "user", "email") != "123@123.com" {
		t.Fatalf("login: %d %s", login.Status, login.Body)
	}
	again.Bearer = login.Text(t, "jwt")
	account := again.Get(t, "/account")
	if account.Status != 200 || account.Text(t, "user", "name") != "John Doe" || account.JSON(t)["user"].(map[string]any)["administrator"] != true {
		t.Errorf("account: %d %s", account.Status, account.Body)
	}
}

func TestSignUpRefuses(t *testing.T) {
	t.Parallel()
	p := serve(t)
	p.SignUp(t, "taken@example.com")
	good := map[string]string{"name": "N", "email": "new@example.com", "birth": "01/02/1990", "password": "long enough"}
	cases := map[string]struct {
		reason, field, value, code string
		status                     int
	}{
		"NoName":        {"A name is needed.", "name", "  ", "Required", 400},
		"LongName":      {"It is bounded.", "name", strings.Repeat("n", 121), "TooLarge", 400},
		"NoEmail":       {"An address is needed.", "email", "", "Required", 400},
		"BadEmail":      {"It must be one.", "email", "nobody", "Invalid", 400},
		"NamedEmail":    {"Without a name.", "email", "A <a@example.com>", "Invalid", 400},
		"TakenEmail":    {"An address has one account.", "email", "taken@example.com", "Conflict", 409},
		"TakenByCase":   {"In whatever spelling.", "email", "Taken@Example.COM", "Conflict", 409},
		"AmericanBirth": {"Day before month.", "birth", "12/31/1990", "Invalid", 400},
		"ISOBirth":      {"Written with slashes.", "birth", "1990-12-31", "Invalid", 400},
		"NoDay":         {"On a day that exists.", "birth", "30/02/1990", "Invalid", 400},
		"FutureBirth":   {"That has been.", "birth", "01/01/2999", "Invalid", 400},
		"ShortPassword": {"A password has a least length.", "password", "1234567", "Invalid", 400},
		"HugePassword":  {"And a largest.", "password", strings.Repeat("p", 257), "TooLarge", 400},
		"EmailPassword": {"And is not the address.", "password", "new@example.com", "Invalid", 400},
	}
	for name, tc := range cases {
		body := maps.Clone(good)
		body[tc.field] = tc.value
		answer := portaltest.NewAgent(t, p.URL).JSON(t, "/signup", body)
		problems, _ := answer.JSON(t)["errors"].([]any)
		if answer.Status != tc.status || len(problems) != 1 {
			t.Errorf("%s: %d %s. %s", name, answer.Status, answer.Body, tc.reason)
			continue
		}
		problem := problems[0].(map[string]any)
		if problem["field"] != tc.field || problem["code"] != tc.code {
			t.Errorf("%s: %v, want field %s, code %s. %s", name, problem, tc.field, tc.code, tc.reason)
		}
	}
}

// TestSessionCookie holds promise S7.
func TestSessionCookie(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"https://weft.example.com", "http://localhost:30080"} {
		p := serve(t, func(p *portaltest.Portal) {
			u, err := url.Parse(public)
			if err != nil {
				t.Fatal(err)
			}
			p.Deps.Site.Portal = u
		})
		_, answer := p.SignUp(t, "one@example.com")
		var cookie *http.Cookie
		for _, line := range answer.Header.Values("Set-Cookie") {
			parsed, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(parsed.Name, "weft-session") {
				cookie = parsed
			}
		}
		secure := strings.HasPrefix(public, "https")
		switch {
		case cookie == nil:
			t.Errorf("%s: no session cookie", public)
		case secure != strings.HasPrefix(cookie.Name, "__Host-") || cookie.Secure != secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "":
			t.Errorf("%s: cookie %v", public, cookie)
		case len(cookie.Value) < 64:
			t.Errorf("%s: a session cookie of %d characters", public, len(cookie.Value))
		}
	}
}

// TestSessionsAtRest shows that what the database holds opens nothing.
func TestSessionsAtRest(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, answer := p.SignUp(t, "one@example.com")
	secrets := []string{agent.Cookie(t, "weft-session"), answer.Text(t, "jwt"), answer.Text(t, "refreshToken"), portaltest.Password}
	rows, err := p.Database.Admin(t).Query(t.Context(), `SELECT encode(token_hash, 'escape') || '|' || s.id || '|' || encode(hash, 'escape') || '|' || password_hash
		FROM sessions s JOIN refresh_tokens r ON r.session_id = s.id JOIN users u ON u.id = s.user_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		var stored string
		if err := rows.Scan(&stored); err != nil {
			t.Fatal(err)
		}
		count++
		for _, secret := range secrets {
			if strings.Contains(stored, secret) {
				t.Error("the database holds a secret as it is")
			}
		}
		if !strings.Contains(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Error("the password is not hashed as promised")
		}
	}
	if count != 1 {
		t.Errorf("%d sessions, want 1", count)
	}
}

// TestSessionIsReplacedAtLogin shows that a session that was there before a
// login is worth nothing after it.
func TestSessionIsReplacedAtLogin(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, _ := p.SignUp(t, "one@example.com")
	agent.Bearer = ""
	before := agent.Cookie(t, "weft-session")
	login := agent.JSON(t, "/login", map[string]string{"user": "one@example.com", "password": portaltest.Password})
	after := agent.Cookie(t, "weft-session")
	if login.Status != 200 || after == before || after == "" {
		t.Fatalf("login: %d; cookie before %q, after %q", login.Status, before, after)
	}
	thief := portaltest.NewAgent(t, p.URL)
	old := thief.Get(t, "/account", portaltest.With("Cookie", "weft-session="+before))
	if old.Status != 401 {
		t.Errorf("the former session: %d, want 401", old.Status)
	}
	if now := agent.Get(t, "/account"); now.Status != 200 {
		t.Errorf("the new session: %d %s", now.Status, now.Body)
	}
}

// TestLogoutBites holds promise S5 for HTTP: on every replica, within a second.
func TestLogoutBites(t *testing.T) {
	t.Parallel()
	p := serve(t)
	other := p.ServeWith(t, p.NewIdentity(t), p.IdentityRoutes(t))
	agent, answer := p.SignUp(t, "one@example.com")
	cookie := "weft-session=" + agent.Cookie(t, "weft-session")
	status := func(base, name, value string) int {
		return portaltest.NewAgent(t, base).Get(t, "/account", portaltest.With(name, value)).Status
	}
	bearer := "Bearer " + agent.Bearer
	for _, base := range []string{p.URL, other} {
		if a, b := status(base, "Cookie", cookie), status(base, "Authorization", bearer); a != 200 || b != 200 {
			t.Fatalf("before the logout: cookie %d, token %d", a, b)
		}
	}
	if out := agent.JSON(t, "/logout", struct{}{}); out.Status != 200 {
		t.Fatalf("logout: %d %s", out.Status, out.Body)
	}
	for _, base := range []string{p.URL, other} {
		if a, b := status(base, "Cookie", cookie), status(base, "Authorization", bearer); a != 401 || b != 401 {
			t.Errorf("after the logout: cookie %d, token %d; want 401", a, b)
		}
	}
	refresh := portaltest.NewAgent(t, p.URL).JSON(t, "/token/refresh", map[string]string{"refreshToken": answer.Text(t, "refreshToken")})
	if refresh.Status != 401 {
		t.Errorf("refresh after the logout: %d, want 401", refresh.Status)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, answer := p.SignUp(t, "one@example.com")
	use := func(token string) portaltest.Answer {
		return portaltest.NewAgent(t, p.URL).JSON(t, "/token/refresh", map[string]string{"refreshToken": token})
	}
	first := answer.Text(t, "refreshToken")
	second := use(first)
	if second.Status != 200 || second.Text(t, "jwt") == "" || second.Text(t, "refreshToken") == first {
		t.Fatalf("refresh: %d %s", second.Status, second.Body)
	}
	agent.Bearer = second.Text(t, "jwt")
	if account := agent.Get(t, "/account"); account.Status != 200 {
		t.Errorf("the new token: %d", account.Status)
	}
	if reused := use(first); reused.Status != 401 {
		t.Errorf("the first token again: %d, want 401", reused.Status)
	}
	if account := agent.Get(t, "/account"); account.Status != 401 {
		t.Errorf("the family lives after a reuse: %d", account.Status)
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 5000)} {
		if answer := use(bad); answer.Status != 401 {
			t.Errorf("refresh with %d characters of nonsense: %d, want 401", len(bad), answer.Status)
		}
	}
}

// TestLoginTellsNothing holds the part of promise S8 that is not about time:
// known and unknown names get the same bytes, also when they have to wait.
func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	p := serve(t)
	p.SignUp(t, "known@example.com")
	try := func(name string) portaltest.Answer {
		a := portaltest.NewAgent(t, p.URL).JSON(t, "/login", map[string]string{"user": name, "password": "wrong password"})
		a.Header.Del("Date")
		return a
	}
	for i := range 7 {
		known, unknown := try("known@example.com"), try("unknown@example.com")
		if diff := cmp.Diff(known, unknown); diff != "" {
			t.Fatalf("try %d (-known +unknown):\n%s", i, diff)
		}
		want := 401
		if i >= 5 {
			want = 429
		}
		if known.Status != want {
			t.Fatalf("try %d: %d, want %d", i, known.Status, want)
		}
	}
	right := portaltest.NewAgent(t, p.URL).JSON(t, "/login", map[string]string{"user": "known@example.com", "password": portaltest.Password})
	if right.Status != 429 || right.Header.Get("Retry-After") == "" {
		t.Errorf("the right password during the wait: %d, Retry-After %q", right.Status, right.Header.Get("Retry-After"))
	}
	p.Clock.Advance(time.Minute)
	if later := portaltest.NewAgent(t, p.URL).JSON(t, "/login", map[string]string{"user": "known@example.com", "password": portaltest.Password}); later.Status != 200 {
		t.Errorf("the right password after the wait: %d %s", later.Status, later.Body)
	}
}

// TestForms signs up, in and out like a browser without scripting.
func TestForms(t *testing.T) {
	t.Parallel()
	p := serve(t)
	browser := portaltest.NewAgent(t, p.URL)
	token := func() string { return browser.Get(t, "/test-token").Text(t, "token") }
	form := url.Values{"name": {"John"}, "email": {"one@example.com"}, "birth": {"17/12/1990"}, "password": {"long enough"}}
	if bare := browser.Form(t, "/signup", form); bare.Status != 403 {
		t.Errorf("a form without its token: %d, want 403", bare.Status)
	}
	form.Set("csrf_token", token())
	done := browser.Form(t, "/signup", form)
	if done.Status != 303 || done.Header.Get("Location") != "/" || browser.Cookie(t, "weft-session") == "" {
		t.Fatalf("sign-up: %d to %q", done.Status, done.Header.Get("Location"))
	}
	out := browser.Form(t, "/logout", url.Values{"csrf_token": {token()}})
	if out.Status != 303 || out.Header.Get("Location") != "/login" || browser.Cookie(t, "weft-session") != "" {
		t.Fatalf("logout: %d to %q", out.Status, out.Header.Get("Location"))
	}
	in := browser.Form(t, "/login", url.Values{"user": {"one@example.com"}, "password": {"long enough"}, "next": {"/flows?x=1"}, "csrf_token": {token()}})
	if in.Status != 303 || in.Header.Get("Location") != "/flows?x=1" {
		t.Fatalf("login: %d to %q", in.Status, in.Header.Get("Location"))
	}
	away := browser.Form(t, "/login", url.Values{"user": {"one@example.com"}, "password": {"long enough"}, "next": {"//evil.example"}, "csrf_token": {token()}})
	if away.Header.Get("Location") != "/" {
		t.Errorf("login leads away to %q", away.Header.Get("Location"))
	}
}

// verifiers are all implementations of the one interface.
func verifiers(t *testing.T, p *portaltest.Portal) map[string]identity.Verifier {
	t.Helper()
	base, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]identity.Verifier{"InProcess": p.Identity, "HTTP": identity.NewRemote(base, p.Deps.Site)}
}

// TestVerifierConformance runs every implementation through the same cases,
// which include promise T5: no credential is ever made up for.
func TestVerifierConformance(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, answer := p.SignUp(t, "one@example.com")
	ended, _ := p.SignUp(t, "two@example.com")
	endedCookie := ended.Cookie(t, "weft-session")
	if out := ended.JSON(t, "/logout", struct{}{}); out.Status != 200 {
		t.Fatalf("logout: %d", out.Status)
	}
	cookie := agent.Cookie(t, "weft-session")
	cases := map[string]struct {
		reason string
		header http.Header
		good   bool
	}{
		"Nothing":        {"No credential is nobody.", http.Header{}, false},
		"Bearer":         {"An access token.", http.Header{"Authorization": {"Bearer " + agent.Bearer}}, true},
		"Cookie":         {"A session.", http.Header{"Cookie": {"weft-session=" + cookie}}, true},
		"Scheme":         {"Another scheme.", http.Header{"Authorization": {"Basic " + agent.Bearer}}, false},
		"BadBearer":      {"A bad token is not made good by a good cookie.", http.Header{"Authorization": {"Bearer x"}, "Cookie": {"weft-session=" + cookie}}, false},
		"EmptyBearer":    {"Nor is an empty one.", http.Header{"Authorization": {"Bearer "}, "Cookie": {"weft-session=" + cookie}}, false},
		"TwoBearers":     {"Two tokens are none.", http.Header{"Authorization": {"Bearer " + agent.Bearer, "Bearer " + agent.Bearer}}, false},
		"TwoCookies":     {"Two sessions are none.", http.Header{"Cookie": {"weft-session=" + cookie + "; weft-session=" + endedCookie}}, false},
		"EndedToken":     {"The token of an ended session.", http.Header{"Authorization": {"Bearer " + ended.Bearer}}, false},
		"EndedCookie":    {"The cookie of an ended session.", http.Header{"Cookie": {"weft-session=" + endedCookie}}, false},
		"OtherSecret":    {"Another's session id with an own secret.", http.Header{"Cookie": {"weft-session=" + cookie[:22] + endedCookie[22:]}}, false},
		"ShortCookie":    {"A cut cookie.", http.Header{"Cookie": {"weft-session=" + cookie[:60]}}, false},
		"RefreshToken":   {"A refresh token is no access token.", http.Header{"Authorization": {"Bearer " + answer.Text(t, "refreshToken")}}, false},
		"EndpointKey":    {"An endpoint key is for the gateway.", http.Header{"Authorization": {"Bearer wk_abcdef"}}, false},
		"IdentityHeader": {"A header that claims somebody.", http.Header{"X-User-Id": {answer.Text(t, "user", "id")}, "Weft-Subject": {"user:" + answer.Text(t, "user", "id")}}, false},
	}
	for kind, verifier := range verifiers(t, p) {
		for name, tc := range cases {
			r, err := http.NewRequest("GET", p.URL+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = tc.header
			subject, err := verifier.Verify(t.Context(), r)
			switch {
			case tc.good && (err != nil || subject.UserID.String() != answer.Text(t, "user", "id") || subject.Email != "one@example.com" || subject.Workspace.Name == "" || subject.Workspace.ID.String() != answer.Text(t, "user", "workspace", "id")):
				t.Errorf("%s/%s: %+v, %v. %s", kind, name, subject, err, tc.reason)
			case !tc.good && !hasStatus(err, 401):
				t.Errorf("%s/%s: %+v, %v, want 401. %s", kind, name, subject, err, tc.reason)
			}
		}
	}
}

func hasStatus(err error, status int) bool {
	var told *server.Error
	return errors.As(err, &told) && told.Status == status
}

func TestJWKSHoldsRequestKeysOnly(t *testing.T) {
	t.Parallel()
	p := serve(t)
	answer := portaltest.NewAgent(t, p.URL).Get(t, "/.well-known/jwks.json")
	set, _ := answer.JSON(t)["keys"].([]any)
	if answer.Status != 200 || len(set) != 1 {
		t.Fatalf("jwks: %d %s", answer.Status, answer.Body)
	}
	if strings.Contains(answer.Body, `"d"`) || strings.Contains(answer.Body, p.Keys.Signing[0].ID) {
		t.Error("the key set holds more than the public request keys")
	}
}

func TestAccountNameIsNoMarkupForTheToken(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent := portaltest.NewAgent(t, p.URL)
	name := "<b>\u2028\"\\ñ🧵"
	answer := agent.JSON(t, "/signup", map[string]string{"name": name, "email": "odd@example.com", "birth": "01/01/2000", "password": "long enough"})
	agent.Bearer = answer.Text(t, "jwt")
	if account := agent.Get(t, "/account"); account.Text(t, "user", "name") != name {
		t.Errorf("account: %d %s", account.Status, account.Body)
	}
}

// TestLogsHoldNothing looks for what people sent in everything that was logged.
func TestLogsHoldNothing(t *testing.T) {
	t.Parallel()
	p := serve(t)
	agent, answer := p.SignUp(t, "canary-mail@example.com")
	agent.JSON(t, "/login", map[string]string{"user": "canary-mail@example.com", "password": "canary-wrong-password"})
	agent.JSON(t, "/signup", map[string]string{"canary-field": "canary-value"})
	agent.Get(t, "/canary-path?canary-query=1", portaltest.With("X-Canary", "canary-header"))
	p.Database.Store.Close() // so that failures of ours are logged
	failed := agent.JSON(t, "/login", map[string]string{"user": "canary-mail@example.com", "password": "canary-wrong-password"})
	if failed.Status < 500 {
		t.Fatalf("login without a database: %d", failed.Status)
	}
	logged := p.Log.String()
	if logged == "" {
		t.Fatal("nothing was logged; the test proves nothing")
	}
	for _, secret := range []string{"canary", portaltest.Password, answer.Text(t, "jwt"), answer.Text(t, "refreshToken"), agent.Cookie(t, "weft-session")} {
		if strings.Contains(logged, secret) {
			t.Errorf("the log holds %.20q", secret)
		}
	}
}
