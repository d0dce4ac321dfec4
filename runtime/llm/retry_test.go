package llm

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// script answers with one status after the other, the last one for ever.
type script struct {
	statuses   []int
	retryAfter string
	body       string
	calls      int
	bodies     []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.bodies = append(s.bodies, string(sent))
	status := s.statuses[min(s.calls, len(s.statuses)-1)]
	s.calls++
	header := http.Header{}
	if s.retryAfter != "" {
		header.Set("Retry-After", s.retryAfter)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(s.body))}, nil
}

func TestRetry(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		script   script
		deadline time.Duration
		calls    int
		status   int
		atLeast  time.Duration
		atMost   time.Duration
	}{
		"first time":        {"An answer ends it.", script{statuses: []int{200}}, 0, 1, 200, 0, 0},
		"busy once":         {"It waits a part of the base.", script{statuses: []int{503, 200}}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		"always busy":       {"It waits longer each time, and gives up.", script{statuses: []int{500}}, 0, 3, 500, 750 * time.Millisecond, 1500 * time.Millisecond},
		"asked to wait":     {"It obeys Retry-After.", script{statuses: []int{429, 200}, retryAfter: "7"}, 0, 2, 200, 7 * time.Second, 7 * time.Second},
		"asked too much":    {"It does not wait longer than a person would.", script{statuses: []int{429, 200}, retryAfter: "21"}, 0, 1, 429, 0, 0},
		"no time left":      {"It does not wait past the deadline.", script{statuses: []int{429, 200}, retryAfter: "7"}, 5 * time.Second, 1, 429, 0, 0},
		"refused":           {"A request that is wrong stays wrong.", script{statuses: []int{400, 200}}, 0, 1, 400, 0, 0},
		"no credit":         {"Credit does not come by waiting.", script{statuses: []int{429, 200}, body: `{"error":{"code":"insufficient_quota"}}`}, 0, 1, 429, 0, 0},
		"overloaded":        {"529 is busy too.", script{statuses: []int{529, 200}}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		"nonsense to wait":  {"A Retry-After that is none is ignored.", script{statuses: []int{503, 200}, retryAfter: "soon"}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		"negative to wait":  {"So is a negative one.", script{statuses: []int{503, 200}, retryAfter: "-5"}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
		"date to wait":      {"It may be a date.", script{statuses: []int{503, 200}, retryAfter: "Sat, 01 Jan 2000 00:00:09 GMT"}, 0, 2, 200, 9 * time.Second, 9 * time.Second},
		"date of yesterday": {"A date that is over means now.", script{statuses: []int{503, 200}, retryAfter: "Sat, 01 Jan 1999 00:00:09 GMT"}, 0, 2, 200, 250 * time.Millisecond, 500 * time.Millisecond},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://model.example", strings.NewReader("question"))
				if err != nil {
					t.Fatalf("making the request: %v", err)
				}
				began := time.Now()
				resp, err := (&retrier{client: &http.Client{Transport: &tc.script}, policy: DefaultRetry()}).Do(req)
				if err != nil {
					t.Fatalf("%s\n%v", tc.reason, err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
				took := time.Since(began)
				if resp.StatusCode != tc.status || tc.script.calls != tc.calls || took < tc.atLeast || took > tc.atMost {
					t.Errorf("%s\ngot %d after %d calls and %s", tc.reason, resp.StatusCode, tc.script.calls, took)
				}
				for i, body := range tc.script.bodies {
					if body != "question" {
						t.Errorf("request %d was sent with body %q", i, body)
					}
				}
			})
		})
	}
}

func TestRetryEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://model.example", strings.NewReader("question"))
		if err != nil {
			t.Fatalf("making the request: %v", err)
		}
		began := time.Now()
		resp, err := (&retrier{client: &http.Client{Transport: &script{statuses: []int{503}}}, policy: DefaultRetry()}).Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if took := time.Since(began); err == nil || took != 100*time.Millisecond {
			t.Errorf("got %v after %s, want an end after 100ms", err, took)
		}
	})
}
