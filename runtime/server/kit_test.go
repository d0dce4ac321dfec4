package server

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	workspace = "acme"
	flowName  = "hello"
	flowUID   = "8a7f0c1e-5d1f-4a53-9d0c-000000000001"
	flowPath  = "/f/acme/hello"
	testPath  = "/test/run"
)

// textFlow is input → text-template → output.
const textFlow = `{"title":"Greeting","description":"Says hello",
	"components":[
		{"id":"in","type":"input","params":{"fields":[{"name":"name","label":"Your name","required":true}]}},
		{"id":"text","type":"text-template","name":"greeting","params":{"text":"Hello {{ input.name }}, welcome!"}},
		{"id":"out","type":"output"}],
	"edges":[{"id":"e1","origin":"in","target":"text"},{"id":"e2","origin":"text","target":"out"}],
	"exposure":{"maxBodyBytes":65536,"page":"Form"}}`

// anyFlow gives back whatever it gets.
const anyFlow = `{"components":[{"id":"in","type":"input"},{"id":"out","type":"output"}],"edges":[{"id":"e1","origin":"in","target":"out"}]}`

// fixture is a runtime that serves in this process.
type fixture struct {
	t       testing.TB
	cfg     Config
	server  *Server
	url     string
	client  *http.Client
	private ed25519.PrivateKey
	signer  *requesttoken.Signer
	log     *logBook
}

// logBook keeps what is logged.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newFixture(t testing.TB, mode Mode, flow string, change func(*Config)) *fixture {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatalf("making a key: %v", err)
	}
	f := &fixture{t: t, private: private, signer: newSigner(t, private), log: new(logBook)}
	dir := t.TempDir()
	f.cfg = Config{
		Mode: mode, Workspace: workspace, Name: flowName, Audience: flowUID,
		TrustFile: filepath.Join(dir, "jwks.json"), EgressAllow: []string{"127.0.0.1"},
	}.WithDefaults()
	writeKeys(t, f.cfg.TrustFile, public)
	if flow != "" {
		f.cfg.RevisionFile = filepath.Join(dir, "revision.json")
		revision := graph.Revision{Workspace: workspace, Name: flowName, UID: flowUID, Revision: "0123456789"}
		decode(t, []byte(flow), &revision.Flow)
		write(t, f.cfg.RevisionFile, revision)
	}
	if change != nil {
		change(&f.cfg)
	}
	return f
}

func startFixture(t testing.TB, mode Mode, flow string, change func(*Config)) *fixture {
	t.Helper()
	f := newFixture(t, mode, flow, change)
	var err error
	if f.server, err = New(f.cfg, slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatalf("making the server: %v", err)
	}
	server := httptest.NewUnstartedServer(f.server)
	configured := f.server.newHTTPServer(f.server)
	server.Config = configured
	server.Start()
	t.Cleanup(server.Close)
	f.url = server.URL
	f.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	t.Cleanup(f.client.CloseIdleConnections)
	return f
}

func newSigner(t testing.TB, private ed25519.PrivateKey) *requesttoken.Signer {
	t.Helper()
	signer, err := requesttoken.NewSigner(private)
	if err != nil {
		t.Fatalf("making a signer: %v", err)
	}
	return signer
}

func writeKeys(t testing.TB, path string, public ...ed25519.PublicKey) {
	t.Helper()
	set, err := requesttoken.NewKeySet(public...)
	if err != nil {
		t.Fatalf("making a key set: %v", err)
	}
	write(t, path, set)
}

func write(t testing.TB, path string, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("encoding %s: %v", path, err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatalf("writing %s: %v", path, err)
	}
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("reading %s: %v", data, err)
	}
}

// claims of a good token.
func claims(method, path string) requesttoken.Claims {
	return requesttoken.Claims{
		Subject: requesttoken.SubjectAnonymous, Audience: flowUID, Method: method, Path: path, Workspace: workspace, Target: flowName,
	}
}

func (f *fixture) mint(c requesttoken.Claims) string {
	f.t.Helper()
	token, err := f.signer.Mint(c)
	if err != nil {
		f.t.Fatalf("minting a token: %v", err)
	}
	return token
}

// request makes a request with a good token.
func (f *fixture) request(ctx context.Context, method, path, body string, headers ...string) *http.Request {
	f.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatalf("making a request: %v", err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set(requesttoken.Header, f.mint(claims(method, path)))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) do(req *http.Request) answer {
	f.t.Helper()
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatalf("asking: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("reading the answer: %v", err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

func (f *fixture) post(path, body string, headers ...string) answer {
	f.t.Helper()
	return f.do(f.request(f.t.Context(), http.MethodPost, path, body, headers...))
}

// failureOf reads the answer to a request that failed.
func failureOf(t testing.TB, a answer) (message string, codes []v1alpha1.ErrorCode) {
	t.Helper()
	var f struct {
		Success string
		Message string
		Errors  []struct{ Code v1alpha1.ErrorCode }
	}
	decode(t, []byte(a.body), &f)
	if f.Success != "false" || f.Message == "" {
		t.Errorf("not the answer to a failure: %s", a.body)
	}
	for _, e := range f.Errors {
		codes = append(codes, e.Code)
	}
	return f.Message, codes
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// secretValue is the key that withSecret mounts.
const secretValue = "sk-mounted-0123456789"

// withSecret mounts a Secret s with a key k.
func withSecret(t testing.TB) func(*Config) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "s"), 0o755); err != nil {
		t.Fatalf("making a folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "s", "k"), []byte(secretValue), 0o600); err != nil {
		t.Fatalf("writing a secret: %v", err)
	}
	return func(c *Config) { c.SecretsDir = dir }
}
