package server

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// noCanary fails the test if something of a request was logged. The word
// stands in every value that tests send.
func noCanary(t *testing.T, f *fixture) {
	t.Helper()
	if log := f.log.String(); strings.Contains(log, "canary") {
		t.Errorf("something of a request was logged:\n%s", log)
	}
}

const formType = "application/x-www-form-urlencoded"

func TestRunsByEveryWayIn(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, textFlow, nil)
	const want = `{"success":"true","result":"Hello canary-7f3a, welcome!"}`
	cases := map[string]struct {
		reason  string
		body    string
		headers []string
	}{
		"input":          {"The input stands under input.", `{"input":{"name":"canary-7f3a"}}`, nil},
		"fields":         {"Or its fields stand by themselves.", `{"name":"canary-7f3a"}`, nil},
		"bare":           {"A single field takes a bare value.", `{"input":"canary-7f3a"}`, nil},
		"charset":        {"UTF-8 may be named.", `{"input":"canary-7f3a"}`, []string{"Content-Type", "Application/JSON; charset=UTF-8"}},
		"identity":       {"So may the absence of a compression.", `{"input":"canary-7f3a"}`, []string{"Content-Encoding", "identity"}},
		"form":           {"A form sends fields.", "name=canary-7f3a", []string{"Content-Type", formType}},
		"form, input":    {"Or the bare value.", "input=canary-7f3a", []string{"Content-Type", formType}},
		"form, any kind": {"A program that accepts anything gets JSON.", "name=canary-7f3a", []string{"Content-Type", formType, "Accept", "*/*"}},
		"escaped name":   {"Names may be escaped.", `{"\u0069nput":{"n\u0061me":"canary-7f3a"}}`, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.post(flowPath, tc.body, tc.headers...)
			if got.status != http.StatusOK {
				t.Fatalf("%s\ngot %d %s", tc.reason, got.status, got.body)
			}
			if diff := cmp.Diff(want, got.body); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
			for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
				if got.header.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.header.Get(name), want)
				}
			}
		})
	}
	t.Cleanup(func() { noCanary(t, f) })
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, textFlow, nil)
	deep := strings.Repeat("[", maxJSONDepth+1) + strings.Repeat("]", maxJSONDepth+1)
	cases := map[string]struct {
		reason  string
		body    string
		headers []string
		status  int
		code    v1alpha1.ErrorCode
	}{
		"no body":            {"What must be there is missing.", "", nil, 400, v1alpha1.ErrorInvalidInput},
		"no type":            {"A body has a type.", `{"input":"x"}`, []string{"Content-Type", ""}, 415, v1alpha1.ErrorInvalidInput},
		"text":               {"Not any.", "canary-7f3a", []string{"Content-Type", "text/plain"}, 415, v1alpha1.ErrorInvalidInput},
		"simple type":        {"Nor one that a foreign page could send.", `{"input":"x"}`, []string{"Content-Type", "text/plain;application/json"}, 415, v1alpha1.ErrorInvalidInput},
		"multipart":          {"Files come later.", "--x", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, v1alpha1.ErrorInvalidInput},
		"other charset":      {"JSON is UTF-8.", `{"input":"x"}`, []string{"Content-Type", "application/json; charset=utf-16"}, 415, v1alpha1.ErrorInvalidInput},
		"compressed":         {"Nothing is unpacked.", "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415, v1alpha1.ErrorInvalidInput},
		"broken":             {"Broken JSON.", `{"input":"canary-7f3a"`, nil, 400, v1alpha1.ErrorInvalidInput},
		"two values":         {"Two values.", `{"input":"x"}{}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"list":               {"No object.", `["canary-7f3a"]`, nil, 400, v1alpha1.ErrorInvalidInput},
		"twice":              {"A name that is there twice.", `{"input":"x","input":"canary-7f3a"}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"twice, escaped":     {"Also in another spelling.", `{"input":"x","\u0069nput":"canary-7f3a"}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"twice, deep":        {"Also further in.", `{"input":{"name":"x","name":"y"}}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"bad text":           {"Bytes that are no text.", "{\"input\":\"\xff\"}", nil, 400, v1alpha1.ErrorInvalidInput},
		"deep":               {"Too deep.", `{"input":` + deep + `}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"unknown field":      {"A field that the flow does not have.", `{"input":{"name":"x","canary-7f3a":1}}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"unknown beside":     {"A field beside the input.", `{"input":"x","canary-7f3a":1}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"graph in request":   {"A request cannot bring a graph.", `{"input":"x","flow":{}}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"wrong kind":         {"A value of another kind.", `{"input":{"name":{"canary-7f3a":1}}}`, nil, 400, v1alpha1.ErrorInvalidInput},
		"form, twice":        {"A form with a field twice.", "name=x&name=canary-7f3a", []string{"Content-Type", formType}, 400, v1alpha1.ErrorInvalidInput},
		"form, unknown":      {"A form with another field.", "name=x&canary-7f3a=1", []string{"Content-Type", formType}, 400, v1alpha1.ErrorInvalidInput},
		"form, broken":       {"A form that is none.", "name=%zz", []string{"Content-Type", formType}, 400, v1alpha1.ErrorInvalidInput},
		"too large":          {"A body above the flow's own bound.", `{"input":"` + strings.Repeat("x", 65536) + `"}`, nil, 413, v1alpha1.ErrorTooLarge},
		"too large, as form": {"Whatever its type.", "name=" + strings.Repeat("x", 65536), []string{"Content-Type", formType}, 413, v1alpha1.ErrorTooLarge},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.post(flowPath, tc.body, tc.headers...)
			message, codes := failureOf(t, got)
			if got.status != tc.status || len(codes) != 1 || codes[0] != tc.code {
				t.Errorf("%s\ngot %d %s, want %d %s", tc.reason, got.status, got.body, tc.status, tc.code)
			}
			if strings.Contains(message, "canary") {
				t.Errorf("the message repeats what was sent: %s", message)
			}
		})
	}
	t.Cleanup(func() { noCanary(t, f) })
}

func TestFlowsThatTakeAnything(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, anyFlow, nil)
	cases := map[string]struct {
		reason string
		body   string
		status int
		want   string
	}{
		"object": {"Any value comes back.", `{"input":{"a":[1,null,true]}}`, 200, `{"success":"true","result":{"a":[1,null,true]}}`},
		"null":   {"Null too.", `{"input":null}`, 200, `{"success":"true","result":null}`},
		"bare":   {"But not without the name input, which leaves room for others.", `{"a":1}`, 400, ""},
		"html":   {"Values are not changed.", `{"input":"<b>&"}`, 200, `{"success":"true","result":"\u003cb\u003e\u0026"}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.post(flowPath, tc.body)
			if got.status != tc.status || (tc.want != "" && got.body != tc.want) {
				t.Errorf("%s\ngot %d %s", tc.reason, got.status, got.body)
			}
		})
	}
}

func TestEveryRequestNeedsItsToken(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, textFlow, nil)
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	change := func(f func(*requesttoken.Claims)) requesttoken.Claims {
		c := claims(http.MethodPost, flowPath)
		f(&c)
		return c
	}
	good := f.mint(claims(http.MethodPost, flowPath))
	foreign, err := newSigner(t, stranger).Mint(claims(http.MethodPost, flowPath))
	if err != nil {
		t.Fatalf("minting: %v", err)
	}
	tokens := map[string]string{
		"none":            "",
		"garbage":         "x.y.z",
		"bearer":          "Bearer " + good,
		"other signer":    foreign,
		"other audience":  f.mint(change(func(c *requesttoken.Claims) { c.Audience = "other" })),
		"other method":    f.mint(change(func(c *requesttoken.Claims) { c.Method = http.MethodGet })),
		"other path":      f.mint(change(func(c *requesttoken.Claims) { c.Path = "/f/acme/other" })),
		"other workspace": f.mint(change(func(c *requesttoken.Claims) { c.Workspace = "evil" })),
		"other target":    f.mint(change(func(c *requesttoken.Claims) { c.Target = "other" })),
		"expired":         f.mint(change(func(c *requesttoken.Claims) { c.IssuedAt = time.Now().Add(-2 * time.Minute) })),
		"from the future": f.mint(change(func(c *requesttoken.Claims) { c.IssuedAt = time.Now().Add(time.Minute) })),
	}
	for name, token := range tokens {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace} {
			if name == "other method" && method == http.MethodGet {
				continue // there it is the right one
			}
			req := f.request(t.Context(), method, flowPath, "")
			req.Header.Set(requesttoken.Header, token)
			got := f.do(req)
			if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != requesttoken.Header {
				t.Errorf("%s %s: got %d %s", name, method, got.status, got.body)
			}
		}
	}
	twice := f.request(t.Context(), http.MethodPost, flowPath, `{"input":"x"}`)
	twice.Header.Add(requesttoken.Header, good)
	if got := f.do(twice); got.status != http.StatusUnauthorized {
		t.Errorf("two tokens: got %d", got.status)
	}
	if got := f.post(flowPath, `{"input":"x"}`); got.status != http.StatusOK {
		t.Errorf("the good token does not pass either, so that this proves nothing: %d %s", got.status, got.body)
	}
}

func TestOnlyItsOwnAddress(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, textFlow, nil)
	for _, path := range []string{"/", "/f/acme/other", "/f/other/hello", "/f/acme/hello/", "/f/acme/hello/v1", "/a/acme/hello", "/test/run", "/metrics", "/healthz", "/readyz", "/debug/pprof/"} {
		if got := f.post(path, `{"input":"x"}`); got.status != http.StatusNotFound {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/f/acme/../acme/hello", "/f//acme/hello", "/f/acme%2fhello", "/f/acme/hello;x"} {
		req := f.request(t.Context(), http.MethodPost, flowPath, `{"input":"x"}`)
		req.URL.Opaque = path
		if got := f.do(req); got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	page, bare := startFixture(t, ModeFlow, textFlow, nil), startFixture(t, ModeFlow, anyFlow, nil)
	cases := map[string]struct {
		reason string
		f      *fixture
		method string
		status int
		allow  string
	}{
		"get, page":    {"A flow with a page shows it.", page, http.MethodGet, 200, ""},
		"head, page":   {"Or its head.", page, http.MethodHead, 200, ""},
		"put, page":    {"Nothing else.", page, http.MethodPut, 405, "GET, HEAD, POST"},
		"get, no page": {"A flow without a page has none.", bare, http.MethodGet, 405, "POST"},
		"delete":       {"There is nothing to delete.", bare, http.MethodDelete, 405, "POST"},
		"options":      {"Nor to ask for: the gateway answers browsers.", bare, http.MethodOptions, 405, "POST"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tc.f.do(tc.f.request(t.Context(), tc.method, flowPath, ""))
			if got.status != tc.status || got.header.Get("Allow") != tc.allow {
				t.Errorf("%s\ngot %d, Allow %q", tc.reason, got.status, got.header.Get("Allow"))
			}
		})
	}
}

// httpFlow calls the URL and gives back the answer.
func httpFlow(url string, more string) string {
	return fmt.Sprintf(`{"components":[
		{"id":"in","type":"input"},
		{"id":"call","type":"http-request","params":{"url":%q},"timeout":"20s"},
		{"id":"out","type":"output"}],
		"edges":[{"id":"e1","origin":"in","target":"call"},{"id":"e2","origin":"call","target":"out"}]%s}`, url, more)
}

func TestRunsAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}, 2), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	t.Cleanup(upstream.Close)
	f := startFixture(t, ModeFlow, httpFlow(upstream.URL, `,"runtime":{"maxConcurrentRuns":2}`), nil)
	done := make(chan answer, 2)
	for range 2 {
		go func() { done <- f.post(flowPath, `{"input":1}`) }()
		<-entered
	}
	got := f.post(flowPath, `{"input":1}`)
	_, codes := failureOf(t, got)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" || codes[0] != v1alpha1.ErrorRateLimited {
		t.Errorf("the third run: got %d, Retry-After %q, %s", got.status, got.header.Get("Retry-After"), got.body)
	}
	close(release)
	for range 2 {
		if got := <-done; got.status != http.StatusOK {
			t.Errorf("a run that was let in: got %d %s", got.status, got.body)
		}
	}
	if got := f.post(flowPath, `{"input":1}`); got.status != http.StatusOK {
		t.Errorf("after them: got %d %s", got.status, got.body)
	}
}

func TestErrorsHaveTheirStatus(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(upstream.Close)
	cases := map[string]struct {
		reason string
		flow   string
		status int
		code   v1alpha1.ErrorCode
	}{
		"upstream fails": {"A service that fails is a bad gateway.", httpFlow(upstream.URL+"/500", ""), 502, v1alpha1.ErrorUpstream},
		"key refused":    {"So is one that refuses the flow's key: 401 would blame the caller.", httpFlow(upstream.URL+"/401", ""), 502, v1alpha1.ErrorUnauthorized},
		"busy":           {"A busy one asks to wait.", httpFlow(upstream.URL+"/429", ""), 429, v1alpha1.ErrorRateLimited},
		"hangs":          {"One that hangs is a gateway time-out.", httpFlow(upstream.URL+"/hang", `,"runtime":{"runTimeout":"1s"}`), 504, v1alpha1.ErrorTimeout},
		"blocked":        {"An address that must not be reached.", httpFlow("http://10.0.0.1/", ""), 502, v1alpha1.ErrorBlocked},
		"expression":     {"An expression that does not fit the values.", strings.Replace(textFlow, "{{ input.name }}", "{{ int(input.name) / 0 }}", 1), 422, v1alpha1.ErrorExpression},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startFixture(t, ModeFlow, tc.flow, nil)
			got := f.post(flowPath, `{"input":"1"}`)
			_, codes := failureOf(t, got)
			if got.status != tc.status || len(codes) == 0 || codes[0] != tc.code {
				t.Errorf("%s\ngot %d %s, want %d %s", tc.reason, got.status, got.body, tc.status, tc.code)
			}
		})
	}
	t.Run("every code", func(t *testing.T) {
		t.Parallel()
		for _, code := range v1alpha1.ErrorCodes() {
			status := statusOf(code)
			if status < 400 || status == http.StatusUnauthorized || (status == http.StatusInternalServerError) != (code == v1alpha1.ErrorInternal) {
				t.Errorf("%s has status %d", code, status)
			}
		}
	})
}

func TestAClientThatLeavesStopsItsRun(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(left)
	}))
	t.Cleanup(upstream.Close)
	f := startFixture(t, ModeFlow, httpFlow(upstream.URL, ""), nil)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		resp, err := f.client.Do(f.request(ctx, http.MethodPost, flowPath, `{"input":1}`))
		if err == nil {
			_ = resp.Body.Close()
		}
		failed <- err
	}()
	<-entered
	cancel()
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Error("the run goes on without its client")
	}
}

func TestKeysFollowTheTrustFile(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, textFlow, nil)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	old := f.signer
	oldPublic, _ := f.private.Public().(ed25519.PublicKey)
	look := func() {
		f.server.trust.mu.Lock()
		defer f.server.trust.mu.Unlock()
		f.server.trust.looked = time.Time{}
	}
	status := func(signer *requesttoken.Signer) int {
		f.signer = signer
		look()
		return f.post(flowPath, `{"input":"x"}`).status
	}
	if got := status(newSigner(t, private)); got != http.StatusUnauthorized {
		t.Errorf("before: got %d", got)
	}
	writeKeys(t, f.cfg.TrustFile, oldPublic, public)
	if got := status(newSigner(t, private)); got != http.StatusOK {
		t.Errorf("a key that was added: got %d", got)
	}
	write(t, f.cfg.TrustFile, "garbage")
	if got := status(old); got != http.StatusOK {
		t.Errorf("after a file that cannot be read: got %d", got)
	}
	writeKeys(t, f.cfg.TrustFile, public)
	f.server.trust.reload(0)
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("a key that was removed: got %d", got)
	}
}

func TestRevisionsThatCannotBeServed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		flow   string
		change func(*Config)
		want   string
	}{
		"bad graph":     {"Its first problem is named.", `{"components":[{"id":"x","type":"no-such"}]}`, nil, `component "x"`},
		"other flow":    {"A revision of another flow.", anyFlow, func(c *Config) { c.Name = "other" }, "acme/hello"},
		"other uid":     {"Or of one that has the same name.", anyFlow, func(c *Config) { c.Audience = "other" }, "acme/hello"},
		"no revision":   {"None.", anyFlow, func(c *Config) { c.RevisionFile += "x" }, "reading the revision"},
		"no keys":       {"No keys to trust.", anyFlow, func(c *Config) { c.TrustFile += "x" }, "keys of request tokens"},
		"garbage keys":  {"Or what is none.", anyFlow, func(c *Config) { c.TrustFile = c.RevisionFile }, "keys of request tokens"},
		"bad allowance": {"An allow-list that cannot be read.", anyFlow, func(c *Config) { c.EgressAllow = []string{"http://x"} }, "allow-list"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, ModeFlow, tc.flow, tc.change)
			_, err := New(f.cfg, discard())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\ngot %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}
