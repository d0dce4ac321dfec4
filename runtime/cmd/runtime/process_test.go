package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// asProgram makes the test binary behave as the program itself: the tests look
// at a real process.
const asProgram = "WEFT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const (
	workspace = "acme"
	flowName  = "hello"
	flowUID   = "8a7f0c1e-5d1f-4a53-9d0c-000000000001"
	flowPath  = "/f/acme/hello"
)

// process is a running runtime.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	signer  *requesttoken.Signer
	client  *http.Client
	runs    string
	metrics string

	ready chan struct{}
	ended chan error

	mu    sync.Mutex
	lines []string
}

// textFlow is input → text-template → output.
const textFlow = `{"title":"Greeting","components":[
	{"id":"in","type":"input","params":{"fields":[{"name":"name","label":"Your name","required":true}]}},
	{"id":"text","type":"text-template","name":"greeting","params":{"text":"Hello {{ input.name }}, welcome!"}},
	{"id":"out","type":"output"}],
	"edges":[{"id":"e1","origin":"in","target":"text"},{"id":"e2","origin":"text","target":"out"}],
	"exposure":{"visibility":"Private","maxBodyBytes":65536,"page":"Form"}}`

// start runs the program and waits until it listens.
func start(t *testing.T, flow string, env ...string) *process {
	t.Helper()
	p := launch(t, flow, env...)
	select {
	case <-p.ready:
	case err := <-p.ended:
		p.ended <- err
		t.Fatalf("the program ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not listen")
	}
	return p
}

// launch runs the program with the files and the environment that the operator
// gives it.
func launch(t *testing.T, flow string, env ...string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan error, 1), ready: make(chan struct{}), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute,
	}}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append([]string{
		asProgram + "=1", "WEFT_MODE=flow", "WEFT_WORKSPACE=" + workspace, "WEFT_NAME=" + flowName, "WEFT_AUDIENCE=" + flowUID,
		"WEFT_LISTEN=127.0.0.1:0", "WEFT_METRICS_LISTEN=127.0.0.1:0", "WEFT_DRAIN_DELAY=200ms",
	}, env...)
	p.writeFiles(flow)
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatalf("reading the log: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting the program: %v", err)
	}
	go p.follow(out)
	t.Cleanup(p.stop)
	return p
}

func (p *process) writeFiles(flow string) {
	p.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		p.t.Fatalf("making a key: %v", err)
	}
	if p.signer, err = requesttoken.NewSigner(private); err != nil {
		p.t.Fatalf("making a signer: %v", err)
	}
	set, err := requesttoken.NewKeySet(public)
	if err != nil {
		p.t.Fatalf("making a key set: %v", err)
	}
	revision := graph.Revision{Workspace: workspace, Name: flowName, UID: flowUID, Revision: "0123456789"}
	if err := json.Unmarshal([]byte(flow), &revision.Flow); err != nil {
		p.t.Fatalf("reading the flow: %v", err)
	}
	dir := p.t.TempDir()
	p.cmd.Env = append(p.cmd.Env,
		"WEFT_REVISION_FILE="+writeJSON(p.t, dir, "revision.json", revision),
		"WEFT_TRUST_FILE="+writeJSON(p.t, dir, "jwks.json", set))
}

func writeJSON(t *testing.T, dir, name string, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("encoding %s: %v", name, err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatalf("writing %s: %v", name, err)
	}
	return path
}

// follow reads what the program logs, learns its addresses, and tells its end.
func (p *process) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.line(lines.Text())
	}
	p.ended <- p.cmd.Wait()
}

func (p *process) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, text)
	var entry struct{ Msg, For, Address string }
	if json.Unmarshal([]byte(text), &entry) != nil {
		return
	}
	switch {
	case entry.Msg == "ready":
		close(p.ready)
	case entry.For == "metrics":
		p.metrics = "http://" + entry.Address
	case entry.For == "runs":
		p.runs = "http://" + entry.Address
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// stop ends the program, if it still runs, at the end of the test.
func (p *process) stop() {
	p.client.CloseIdleConnections()
	_ = p.cmd.Process.Kill()
	<-p.ended
	if p.t.Failed() {
		p.t.Logf("log of the program:\n%s", p.log())
	}
}

// waitEnd waits for the program's end after a signal.
func (p *process) waitEnd() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(time.Minute):
		p.t.Fatal("the program does not end")
		return nil
	}
}

func (p *process) token(method string) string {
	p.t.Helper()
	token, err := p.signer.Mint(requesttoken.Claims{
		Subject: requesttoken.SubjectAnonymous, Audience: flowUID, Method: method, Path: flowPath, Workspace: workspace, Target: flowName,
	})
	if err != nil {
		p.t.Fatalf("minting a token: %v", err)
	}
	return token
}

// request makes a POST with JSON and a good token.
func (p *process) request(ctx context.Context, body io.Reader) *http.Request {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.runs+flowPath, body)
	if err != nil {
		p.t.Fatalf("making a request: %v", err)
	}
	req.Header.Set(requesttoken.Header, p.token(http.MethodPost))
	req.Header.Set("Content-Type", "application/json")
	return req
}

// post sends a body and returns the status and the answer.
func (p *process) post(body string) (int, string) {
	p.t.Helper()
	resp, err := p.client.Do(p.request(p.t.Context(), strings.NewReader(body)))
	if err != nil {
		p.t.Fatalf("asking: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("reading the answer: %v", err)
	}
	return resp.StatusCode, string(data)
}

// rss is the program's resident memory in bytes, peak the most that it ever
// was.
func (p *process) rss() int64  { return p.memory("VmRSS:") }
func (p *process) peak() int64 { return p.memory("VmHWM:") }

func (p *process) memory(kind string) int64 {
	p.t.Helper()
	if !measurable {
		return 0
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("this system does not tell how much memory a process uses: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, kind); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				p.t.Fatalf("reading the memory: %v", err)
			}
			return kib << 10
		}
	}
	p.t.Fatal("no memory in /proc")
	return 0
}
