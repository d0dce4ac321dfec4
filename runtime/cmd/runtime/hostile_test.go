package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// allowedGrowth is by how much hostile requests may make the program grow: the
// figure of promise R15.
const allowedGrowth = 64 << 20

// raw opens a connection to the port for runs.
func (p *process) raw(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.runs, "http://"))
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatalf("setting a deadline: %v", err)
	}
	return conn
}

// flood writes a head and then the same bytes until there are total of them, or
// the other side has had enough. It returns how many bytes went out, and the
// status of the answer.
func flood(conn net.Conn, head string, piece []byte, total int) (sent int, status int) {
	answered := make(chan int, 1)
	go func() {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	if _, err := io.WriteString(conn, head); err != nil {
		return 0, <-answered
	}
	for sent < total {
		n, err := conn.Write(piece)
		sent += n
		if err != nil {
			break
		}
	}
	return sent, <-answered
}

func TestFloodsAreRefusedAtTheLimit(t *testing.T) {
	p := start(t, textFlow)
	token := requesttoken.Header + ": " + p.token(http.MethodPost) + "\r\n"
	head := "POST " + flowPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	chunk := append(append([]byte("100000\r\n"), bytes.Repeat([]byte("x"), 1<<20)...), '\r', '\n')
	var headers strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&headers, "X-Header-%d: value\r\n", i)
	}
	cases := map[string]struct {
		reason string
		head   string
		piece  []byte
		status int
		most   int
	}{
		"announced body":   {"A body of 1 GiB is refused by its length.", head + token + "Content-Length: 1073741824\r\n\r\n", make([]byte, 1<<20), 413, 32 << 20},
		"body in chunks":   {"One without a length where the limit is.", head + token + "Transfer-Encoding: chunked\r\n\r\n", chunk, 413, 32 << 20},
		"body, no token":   {"One without a token is not read.", head + "Content-Length: 1073741824\r\n\r\n", make([]byte, 1<<20), 401, 32 << 20},
		"100,000 headers":  {"Headers have a limit.", head, []byte(headers.String()), 431, 1 << 30},
		"a header of 1 GB": {"Each of them too.", head + "X-Long: ", bytes.Repeat([]byte("x"), 1<<20), 431, 32 << 20},
		"a path of 1 GB":   {"And the address.", "POST /f/", bytes.Repeat([]byte("x"), 1<<20), 431, 32 << 20},
	}
	before := p.rss()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			sent, status := flood(p.raw(t), tc.head, tc.piece, 1<<30)
			// A connection that is reset while it is written to may lose the
			// answer; what counts is that the flood ends.
			if status != tc.status && status != 0 {
				t.Errorf("%s\nanswered with %d, want %d", tc.reason, status, tc.status)
			}
			if sent > tc.most {
				t.Errorf("%s\n%d bytes were taken", tc.reason, sent)
			}
		})
	}
	p.unharmed(t, before)
}

// unharmed checks that the program has not grown beyond the figure and answers
// at once.
func (p *process) unharmed(t *testing.T, before int64) {
	t.Helper()
	grown := p.peak() - before
	began := time.Now()
	status, answer := p.post(`{"input":{"name":"Ann"}}`)
	took := time.Since(began)
	t.Logf("grown by %.1f MiB; answers in %s", float64(grown)/(1<<20), took)
	if grown > allowedGrowth {
		t.Errorf("grown by %d KiB, want %d at most", grown>>10, allowedGrowth>>10)
	}
	if status != http.StatusOK || took > 5*time.Second {
		t.Errorf("answers with %d %s in %s", status, answer, took)
	}
}

func TestSlowClientsHoldNobodyUp(t *testing.T) {
	p := start(t, textFlow)
	before := p.rss()
	for range 1000 {
		if _, err := io.WriteString(p.raw(t), "POST "+flowPath+" HTTP/1.1\r\nHost: x\r\nX-Slow"); err != nil {
			t.Fatalf("sending: %v", err)
		}
	}
	p.unharmed(t, before)
}

func TestManyLargeBodiesAtOnce(t *testing.T) {
	p := start(t, strings.Replace(textFlow, "65536", "8388608", 1))
	before := p.rss()
	token := requesttoken.Header + ": " + p.token(http.MethodPost) + "\r\n"
	for range 100 {
		conn := p.raw(t)
		head := "POST " + flowPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + token + "Content-Length: 8388608\r\n\r\n"
		if _, err := io.WriteString(conn, head+strings.Repeat(" ", 1000)); err != nil {
			t.Fatalf("sending: %v", err)
		}
	}
	// Lengths are announced, little has come: no memory is set aside for it.
	p.unharmed(t, before)
}

func TestCompressedBodiesAreNotUnpacked(t *testing.T) {
	p := start(t, textFlow)
	before := p.rss()
	var small bytes.Buffer
	zip := gzip.NewWriter(&small)
	if _, err := io.CopyN(zip, zeros{}, 32<<20); err != nil {
		t.Fatalf("packing: %v", err)
	}
	if err := zip.Close(); err != nil {
		t.Fatalf("packing: %v", err)
	}
	req := p.request(t.Context(), &small)
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatalf("asking: %v", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("got %d", resp.StatusCode)
	}
	p.unharmed(t, before)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestServicesThatAnswerWithoutEnd lets the flow call a service that is
// hostile: a gigabyte that comes in a few packed bytes, and a body without end.
func TestServicesThatAnswerWithoutEnd(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out io.Writer = w
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			defer func() { _ = zip.Close() }()
			out = zip
		}
		if _, err := io.CopyN(out, zeros{}, 1<<30); err != nil {
			return
		}
	}))
	t.Cleanup(upstream.Close)
	for _, path := range []string{"/bomb", "/endless"} {
		t.Run(path, func(t *testing.T) {
			p := start(t, callFlow(upstream.URL+path), "WEFT_EGRESS_ALLOW=127.0.0.1", "GOMEMLIMIT=64MiB")
			before := p.rss()
			for range 3 {
				if status, answer := p.post(`{"input":1}`); status != http.StatusUnprocessableEntity || !strings.Contains(answer, "TooLarge") {
					t.Errorf("got %d %s", status, answer)
				}
			}
			if grown := p.peak() - before; grown > allowedGrowth {
				t.Errorf("grown by %d KiB, want %d at most", grown>>10, allowedGrowth>>10)
			}
		})
	}
}
