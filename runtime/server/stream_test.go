package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// chatFlow has two models: the words of the first are the flow's own matter,
// those of the second are the result.
const chatFlow = `{"components":[
	{"id":"in","type":"input"},
	{"id":"first","type":"practice-chat","params":{"prompt":"Summarize this:"}},
	{"id":"second","type":"practice-chat","params":{"prompt":"List 3 ideas about tea"}},
	{"id":"out","type":"output"}],
	"edges":[{"id":"e1","origin":"in","target":"first"},{"id":"e2","origin":"first","target":"second"},{"id":"e3","origin":"second","target":"out"}]}`

// events reads a stream to its end.
func events(t *testing.T, body string) []engine.Event {
	t.Helper()
	var out []engine.Event
	for block := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		if strings.HasPrefix(block, ":") {
			continue
		}
		lines := strings.Split(block, "\n")
		if len(lines) != 3 {
			t.Fatalf("not an event: %q", block)
		}
		var e engine.Event
		decode(t, []byte(strings.TrimPrefix(lines[2], "data: ")), &e)
		if lines[0] != fmt.Sprintf("id: %d", e.Seq) || lines[1] != "event: "+string(e.Type) {
			t.Errorf("the frame does not fit its data: %q", block)
		}
		out = append(out, e)
	}
	return out
}

func TestStream(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, chatFlow, nil)
	got := f.post(flowPath, `{"input":"canary-7f3a"}`, "Accept", "text/html;q=0.9, text/event-stream")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v", got.status, got.header)
	}
	var text strings.Builder
	list := events(t, got.body)
	for i, e := range list {
		if i > 0 && e.Seq <= list[i-1].Seq {
			t.Errorf("event %d comes after %d", e.Seq, list[i-1].Seq)
		}
		if e.Input != nil || e.Output != nil {
			t.Errorf("a consumer sees the inside of the flow: %+v", e)
		}
		if e.Type == engine.ComponentDelta {
			if e.Component != "second" {
				t.Errorf("a consumer sees the words of %s", e.Component)
			}
			text.WriteString(e.Text)
		}
	}
	last := list[len(list)-1]
	if last.Type != engine.RunFinished || last.Status != engine.Succeeded {
		t.Fatalf("the last event is %+v", last)
	}
	if diff := cmp.Diff(last.Result, any(text.String())); diff != "" {
		t.Errorf("the pieces are not the result (-result +pieces):\n%s", diff)
	}
	noCanary(t, f)
}

func TestAStreamThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, httpFlow("http://10.0.0.1/", ""), nil)
	list := events(t, f.post(flowPath, `{"input":1}`, "Accept", "text/event-stream").body)
	last := list[len(list)-1]
	if last.Type != engine.RunFinished || last.Status != engine.Failed || len(last.Errors) != 1 {
		t.Errorf("the last event is %+v", last)
	}
	refused := f.post(flowPath, `nonsense`, "Accept", "text/event-stream")
	if refused.status != http.StatusBadRequest {
		t.Errorf("a request that is wrong: got %d", refused.status)
	}
	failureOf(t, refused)
}

// TestPiecesComeAtOnce holds the model back until the client has its first
// words.
func TestPiecesComeAtOnce(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(text string) {
			if _, err := fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
		say("first ")
		<-goOn
		say("second")
		if _, err := io.WriteString(w, "data: [DONE]\n\n"); err != nil {
			return
		}
	}))
	t.Cleanup(upstream.Close)
	flow := fmt.Sprintf(`{"components":[{"id":"in","type":"input"},
		{"id":"chat","type":"openai-chat","params":{"prompt":"Hi","baseURL":%q},"credential":{"secretKeyRef":{"name":"s","key":"k"}}},
		{"id":"out","type":"output"}],
		"edges":[{"id":"e1","origin":"in","target":"chat"},{"id":"e2","origin":"chat","target":"out"}]}`, upstream.URL+"/v1")
	f := startFixture(t, ModeFlow, flow, withSecret(t))
	resp, err := f.client.Do(f.request(t.Context(), http.MethodPost, flowPath, `{"input":1}`, "Accept", "text/event-stream"))
	if err != nil {
		t.Fatalf("asking: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var seen strings.Builder
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		seen.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), `"text":"first "`) {
			close(goOn)
		}
	}
	if text := seen.String(); !strings.Contains(text, `"result":"first second"`) {
		t.Errorf("got %s", text)
	}
}

// TestAStreamWhoseClientStopsReadingEnds lets a client take nothing of an
// endless answer: the run must not hold more and more of it in memory.
func TestAStreamWhoseClientLeavesEnds(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"and so on \"}}]}\n\n"); err != nil {
				return
			}
		}
	}))
	t.Cleanup(upstream.Close)
	flow := fmt.Sprintf(`{"components":[{"id":"in","type":"input"},
		{"id":"chat","type":"openai-chat","params":{"prompt":"Hi","baseURL":%q},"credential":{"secretKeyRef":{"name":"s","key":"k"}}},
		{"id":"out","type":"output"}],
		"edges":[{"id":"e1","origin":"in","target":"chat"},{"id":"e2","origin":"chat","target":"out"}]}`, upstream.URL+"/v1")
	f := startFixture(t, ModeFlow, flow, withSecret(t))
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := f.client.Do(f.request(ctx, http.MethodPost, flowPath, `{"input":1}`, "Accept", "text/event-stream"))
	if err != nil {
		t.Fatalf("asking: %v", err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 1000)); err != nil {
		t.Fatalf("reading: %v", err)
	}
	cancel()
	_ = resp.Body.Close()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the model still talks")
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	f := startFixture(t, ModeFlow, anyFlow, nil)
	configured := f.server.newHTTPServer(f.server)
	configured.ReadHeaderTimeout, configured.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	go func() { _ = configured.Serve(listener) }()
	t.Cleanup(func() { _ = configured.Close() })
	token := f.mint(claims(http.MethodPost, flowPath))
	cases := map[string]string{
		"half a header":           "POST /f/acme/hello HTTP/1.1\r\nHost: x\r\nContent-Le",
		"no token, body to come":  "POST /f/acme/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"no token, chunk to come": "POST /f/acme/hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"unread, large":           "POST /f/acme/other HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n" + requesttoken.Header + ": " + token + "\r\n\r\n{",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatalf("connecting: %v", err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatalf("setting a deadline: %v", err)
			}
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatalf("sending: %v", err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("the connection stays open: %v", err)
			}
		})
	}
}
