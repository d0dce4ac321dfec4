package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/requesttoken"
	"github.com/weft-run/weft/test/openai/fake"
)

// vaultDouble is a vault with one key, which wants the token of the run.
type vaultDouble struct {
	mu     sync.Mutex
	tokens []string
	key    string
}

func (v *vaultDouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tokens = append(v.tokens, r.Header.Get(requesttoken.Header))
	var body struct{ Names []string }
	if json.NewDecoder(r.Body).Decode(&body) != nil || !slices.Equal(body.Names, []string{"chat"}) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if _, err := io.WriteString(w, `{"success":"true","keys":{"chat":{"version":1,"value":"`+v.key+`"}}}`); err != nil {
		return
	}
}

func withVault(t testing.TB, key string) (*vaultDouble, func(*Config)) {
	t.Helper()
	vault := &vaultDouble{key: key}
	server := httptest.NewServer(vault)
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("pod"), 0o600); err != nil {
		t.Fatalf("writing a token: %v", err)
	}
	return vault, func(c *Config) { c.VaultURL, c.VaultTokenFile = server.URL, token }
}

const vaultKey = "sk-vault-0123456789"

// chatDraft asks a model with a key of the vault.
func chatDraft(baseURL string) string {
	return `{"components":[
		{"id":"in","type":"input"},
		{"id":"chat","type":"openai-chat","params":{"prompt":"Hi {{ input }}","baseURL":"` + baseURL + `"},"credential":{"vaultKeyRef":{"name":"chat"}}},
		{"id":"out","type":"output"}],
		"edges":[{"id":"e1","origin":"in","target":"chat"},{"id":"e2","origin":"chat","target":"out"}]}`
}

func fakeModel(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(fake.New(fake.Options{Key: vaultKey}))
	t.Cleanup(server.Close)
	return server.URL + "/v1"
}

func TestDraftsRun(t *testing.T) {
	t.Parallel()
	vault, config := withVault(t, vaultKey)
	f := startFixture(t, ModeTest, "", config)
	body := `{"flow":` + chatDraft(fakeModel(t)) + `,"input":"canary-7f3a"}`
	c := claims(http.MethodPost, testPath)
	c.Keys, c.Previews = []string{"chat"}, true
	token := f.mint(c)
	got := f.post(testPath, body, requesttoken.Header, token, "Accept", "text/event-stream")
	list := events(t, got.body)
	last := list[len(list)-1]
	if diff := cmp.Diff(any("You said: Hi canary-7f3a"), last.Result); diff != "" {
		t.Errorf("the result (-want +got):\n%s\n%s", diff, got.body)
	}
	var previewed bool
	for _, e := range list {
		if e.Component == "chat" && e.Type == engine.ComponentFinished {
			previewed = e.Output["main"] == "You said: Hi canary-7f3a" && e.Tokens > 0
		}
	}
	if !previewed {
		t.Errorf("the model's output is not shown: %s", got.body)
	}
	if strings.Contains(got.body, vaultKey) {
		t.Errorf("the key is in the events: %s", got.body)
	}
	if diff := cmp.Diff([]string{token}, vault.tokens); diff != "" {
		t.Errorf("the vault was asked with (-want +got):\n%s", diff)
	}
	noCanary(t, f)
}

func TestDraftsAnswerAsAWhole(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeTest, "", nil)
	type whole struct {
		Success, Message, Run string
		Result                any
		Components            []engine.Event
		Errors                []engine.RunError
	}
	cases := map[string]struct {
		reason   string
		flow     string
		previews bool
		status   int
		want     whole
	}{
		"succeeds": {"The result and the components.", textFlow, true, 200, whole{Success: "true", Result: "Hello Ann, welcome!"}},
		"fails":    {"Or what went wrong.", strings.Replace(textFlow, "{{ input.name }}", "{{ 1 / 0 }}", 1), true, 422, whole{Success: "false"}},
		"blind":    {"Inputs and outputs only for who may see them.", textFlow, false, 200, whole{Success: "true", Result: "Hello Ann, welcome!"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := claims(http.MethodPost, testPath)
			c.Previews = tc.previews
			got := f.post(testPath, `{"flow":`+tc.flow+`,"input":{"name":"Ann"}}`, requesttoken.Header, f.mint(c), "Accept", "application/json")
			if got.status != tc.status {
				t.Fatalf("%s\ngot %d %s", tc.reason, got.status, got.body)
			}
			var answer whole
			decode(t, []byte(got.body), &answer)
			if answer.Success != tc.want.Success || !cmp.Equal(answer.Result, tc.want.Result) || answer.Run == "" || len(answer.Components) == 0 {
				t.Errorf("%s\ngot %s", tc.reason, got.body)
			}
			if (tc.want.Success == "false") != (len(answer.Errors) > 0 && answer.Message != "") {
				t.Errorf("%s\nerrors: %s", tc.reason, got.body)
			}
			shown := slices.ContainsFunc(answer.Components, func(e engine.Event) bool { return e.Output != nil || e.Input != nil })
			if shown != tc.previews {
				t.Errorf("%s\nshown: %v, want %v: %s", tc.reason, shown, tc.previews, got.body)
			}
		})
	}
}

func TestBadDrafts(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeTest, "", nil)
	cases := map[string]struct {
		reason  string
		body    string
		headers []string
		status  int
		want    string
	}{
		"bad graph":     {"Every problem is told with its place.", `{"flow":{"components":[{"id":"x","type":"no-such"},{"id":"y","type":"if"}]}}`, nil, 422, `"component":"x"`},
		"unknown field": {"Unknown fields are problems.", `{"flow":{"surprise":1}}`, nil, 422, "surprise"},
		"no flow":       {"A draft is needed.", `{"input":1}`, nil, 422, `"success":"false"`},
		"more":          {"Nothing else may stand beside it.", `{"flow":{},"canary-7f3a":1}`, nil, 400, "only"},
		"twice":         {"Nothing twice.", `{"flow":{},"flow":{}}`, nil, 400, "twice"},
		"broken":        {"Nothing broken.", `{"flow":{}`, nil, 400, "not valid JSON"},
		"list":          {"No list.", `[]`, nil, 400, "not valid JSON"},
		"form":          {"No form.", `flow=x`, []string{"Content-Type", formType}, 415, "application/json"},
		"too large":     {"Nothing huge.", `{"flow":"` + strings.Repeat("x", maxDraftBody) + `"}`, nil, 413, "larger"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := f.post(testPath, tc.body, tc.headers...)
			failureOf(t, got)
			if got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("%s\ngot %d %s", tc.reason, got.status, got.body)
			}
		})
	}
	if got := f.do(f.request(t.Context(), http.MethodGet, testPath, "")); got.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", got.status)
	}
	if got := f.post(flowPath, `{"flow":{}}`); got.status != http.StatusNotFound {
		t.Errorf("the address of a flow: got %d", got.status)
	}
	t.Cleanup(func() { noCanary(t, f) })
}

func TestDraftsWithoutTheirKeySaySo(t *testing.T) {
	t.Parallel()
	_, config := withVault(t, vaultKey)
	f := startFixture(t, ModeTest, "", config)
	draft := strings.Replace(chatDraft(fakeModel(t)), `"name":"chat"`, `"name":"gone"`, 1)
	got := f.post(testPath, `{"flow":`+draft+`,"input":"x"}`, "Accept", "application/json")
	if got.status != http.StatusBadGateway || !strings.Contains(got.body, `The key \"gone\"`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestFlowsFetchTheirKeys(t *testing.T) {
	t.Parallel()
	vault, config := withVault(t, "sk-other-0123456789")
	f := startFixture(t, ModeFlow, chatDraft(fakeModel(t)), config)
	refused := f.post(flowPath, `{"input":"x"}`)
	if refused.status != http.StatusBadGateway || strings.Contains(refused.body, "sk-other") {
		t.Errorf("with another key: got %d %s", refused.status, refused.body)
	}
	vault.mu.Lock()
	vault.key = vaultKey
	vault.mu.Unlock()
	again := startFixture(t, ModeFlow, chatDraft(fakeModel(t)), config)
	if got := again.post(flowPath, `{"input":"x"}`); got.body != `{"success":"true","result":"You said: Hi x"}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if slices.ContainsFunc(vault.tokens, func(token string) bool { return token != "" }) {
		t.Errorf("a flow's pod asks in its own name, not with %v", vault.tokens)
	}
}
