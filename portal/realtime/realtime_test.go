package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/realtime"
)

func newLog(t *testing.T) *realtime.Log {
	t.Helper()
	return realtime.NewLog(portaltest.Redis(t), "weft-test-"+uuid.NewString()+":")
}

func event(user uuid.UUID, text string) realtime.Event {
	return realtime.Event{Kind: "run", Flow: "f", Data: json.RawMessage(fmt.Sprintf("%q", text)), User: user}
}

func publish(t *testing.T, l *realtime.Log, workspace uuid.UUID, events ...realtime.Event) {
	t.Helper()
	for _, e := range events {
		if err := l.Publish(t.Context(), workspace, e); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, l *realtime.Log, workspace, user uuid.UUID, after string) (string, string) {
	t.Helper()
	events, last, err := l.Read(t.Context(), workspace, user, after, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range events {
		texts = append(texts, string(e.Data))
	}
	return strings.Join(texts, " "), last
}

func TestEventsComeInOrderToThoseWhoMaySeeThem(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	ana, eve, workspace, other := uuid.New(), uuid.New(), uuid.New(), uuid.New()
	_, start := read(t, l, workspace, ana, "")
	publish(t, l, workspace, event(ana, "a"), event(uuid.Nil, "all"), event(ana, "b"))
	got, last := read(t, l, workspace, ana, start)
	if got != `"a" "all" "b"` {
		t.Errorf("the author sees %s", got)
	}
	if again, _ := read(t, l, workspace, ana, last); again != "" {
		t.Errorf("events come twice: %s", again)
	}
	if got, _ := read(t, l, workspace, eve, start); got != `"all"` {
		t.Errorf("another member sees %s, want what is for all", got)
	}
	if got, _ := read(t, l, other, ana, "0-0"); got != "" {
		t.Errorf("another workspace sees %s", got)
	}
}

func TestAReaderWaitsForTheFirstEvent(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	workspace, user := uuid.New(), uuid.New()
	got := make(chan int, 1)
	go func() {
		events, _, err := l.Read(context.Background(), workspace, user, "0-0", 10*time.Second)
		if err != nil {
			t.Errorf("reading: %v", err)
		}
		got <- len(events)
	}()
	publish(t, l, workspace, event(user, "a"))
	select {
	case n := <-got:
		if n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	case <-time.After(15 * time.Second):
		t.Error("the reader does not wake")
	}
}

func TestOnceIsOnce(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	workspace, user := uuid.New(), uuid.New()
	for range 3 {
		if err := l.PublishOnce(t.Context(), workspace, "uid/7", event(uuid.Nil, "ready")); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := read(t, l, workspace, user, "0-0"); got != `"ready"` {
		t.Errorf("what three replicas saw is told as %s", got)
	}
}

func TestRecordsOfRunsAreTheirAuthors(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	workspace, ana, eve, id := uuid.New(), uuid.New(), uuid.New(), uuid.NewString()
	if err := l.KeepRun(t.Context(), workspace, ana, id, []byte("record")); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Run(t.Context(), workspace, ana, id); err != nil || string(got) != "record" {
		t.Errorf("the author reads %q, %v", got, err)
	}
	for name, ask := range map[string]func() ([]byte, error){
		"another user":      func() ([]byte, error) { return l.Run(t.Context(), workspace, eve, id) },
		"another workspace": func() ([]byte, error) { return l.Run(t.Context(), uuid.New(), ana, id) },
	} {
		if _, err := ask(); !errors.Is(err, realtime.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
}

func TestEverythingIsBounded(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	big := realtime.Event{Kind: "run", Data: json.RawMessage(`"` + strings.Repeat("x", 40<<10) + `"`)}
	if err := l.Publish(t.Context(), uuid.New(), big); !errors.Is(err, realtime.ErrTooLarge) {
		t.Errorf("an event of 40 KiB: %v, want ErrTooLarge", err)
	}
	if err := l.KeepRun(t.Context(), uuid.New(), uuid.New(), "id", make([]byte, 9<<20)); !errors.Is(err, realtime.ErrTooLarge) {
		t.Errorf("a record of 9 MiB: %v, want ErrTooLarge", err)
	}
}

// serve serves the module to somebody who is signed in.
func serve(t *testing.T) (*portaltest.Portal, *realtime.Log, *portaltest.Agent, uuid.UUID, uuid.UUID) {
	t.Helper()
	p, l := portaltest.New(t), newLog(t)
	routes := append(p.IdentityRoutes(t), realtime.Routes(realtime.Deps{Deps: p.Deps, Verifier: p.Identity, EventLog: l})...)
	p.Serve(t, routes)
	agent, answer := p.SignUp(t, "ana@example.com")
	user, errUser := uuid.Parse(answer.Text(t, "user", "id"))
	workspace, errWorkspace := uuid.Parse(answer.Text(t, "user", "workspace", "id"))
	if errUser != nil || errWorkspace != nil {
		t.Fatalf("reading the account: %s", answer.Body)
	}
	return p, l, agent, user, workspace
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	p, l, agent, user, workspace := serve(t)
	start := agent.Get(t, "/events").Text(t, "after")
	publish(t, l, workspace, event(user, "a"), event(uuid.New(), "somebody else's"))
	first := agent.Get(t, "/events?wait=5&after="+start)
	if !strings.Contains(first.Body, `"data":"a"`) || strings.Contains(first.Body, "somebody else") {
		t.Errorf("the answer: %s", first.Body)
	}
	if last := agent.Get(t, "/events?wait=0&after="+first.Text(t, "after")); strings.Contains(last.Body, "data") {
		t.Errorf("nothing new, but: %s", last.Body)
	}
	if bad := agent.Get(t, "/events?after=nonsense"); bad.Status != http.StatusBadRequest {
		t.Errorf("an id that no event has: %d", bad.Status)
	}
	if stranger := portaltest.NewAgent(t, p.URL).Get(t, "/events"); stranger.Status != http.StatusUnauthorized {
		t.Errorf("a stranger: %d", stranger.Status)
	}
}

func TestLookingOnIsBounded(t *testing.T) {
	t.Parallel()
	_, l, agent, user, workspace := serve(t)
	busy, done := make(chan int, 40), make(chan struct{})
	for range 40 {
		go func() {
			busy <- agent.Get(t, "/events?wait=10&after=0-0").Status
		}()
	}
	refused := 0
	go func() {
		defer close(done)
		for range 40 {
			if status := <-busy; status == http.StatusTooManyRequests {
				if refused++; refused == 24 {
					publish(t, l, workspace, event(user, "enough"))
				}
			}
		}
	}()
	<-done
	if refused < 24 {
		t.Errorf("%d of 40 polls of one account are refused, want at least 24", refused)
	}
}

func TestSocket(t *testing.T) {
	t.Parallel()
	p, l, agent, user, workspace := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dial := func(header http.Header) (*websocket.Conn, error) {
		conn, answer, err := websocket.Dial(ctx, p.URL+"/ws?after=0-0", &websocket.DialOptions{HTTPHeader: header})
		if answer != nil && answer.Body != nil && err != nil {
			answer.Body.Close()
		}
		return conn, err
	}
	bearer := http.Header{"Authorization": {"Bearer " + agent.Bearer}}
	conn, err := dial(bearer)
	if err != nil {
		t.Fatalf("opening a socket: %v", err)
	}
	defer conn.CloseNow()
	publish(t, l, workspace, event(user, "a"), event(uuid.New(), "somebody else's"), event(uuid.Nil, "all"))
	for _, want := range []string{`"a"`, `"all"`} {
		_, data, err := conn.Read(ctx)
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("the socket gives %s (%v), want %s", data, err, want)
		}
	}
	cookie := http.Header{"Cookie": {"weft-session=" + agent.Cookie(t, "weft-session")}}
	foreign := cookie.Clone()
	foreign.Set("Origin", "https://evil.example")
	for name, header := range map[string]http.Header{"no credential": {}, "no origin": cookie, "another site's page": foreign} {
		if conn, err := dial(header); err == nil {
			t.Errorf("%s: a socket opens", name)
			conn.CloseNow()
		}
	}
}

func TestASocketEndsWithItsSession(t *testing.T) {
	t.Parallel()
	p, l, agent, user, workspace := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	header := http.Header{"Cookie": {"weft-session=" + agent.Cookie(t, "weft-session")}, "Origin": {p.Deps.Site.Portal.String()}}
	conn, _, err := websocket.Dial(ctx, p.URL+"/ws?after=0-0", &websocket.DialOptions{HTTPHeader: header}) //nolint:bodyclose // an open socket has no body
	if err != nil {
		t.Fatalf("opening a socket: %v", err)
	}
	defer conn.CloseNow()
	if out := agent.JSON(t, "/logout", map[string]any{}); out.Status != http.StatusOK {
		t.Fatalf("signing out: %d %s", out.Status, out.Body)
	}
	publish(t, l, workspace, event(user, "secret"))
	_, data, err := conn.Read(ctx)
	if err == nil || websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("after signing out the socket gives %s (%v), want its end", data, err)
	}
}
