package llm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/guard"
	"github.com/weft-run/weft/runtime/llm"
	"github.com/weft-run/weft/test/openai/fake"
)

const key = "sk-test-0123456789abcdef"

// start serves the fake and returns a model that speaks to it through the
// guarded client.
func start(t *testing.T) *llm.OpenAI {
	t.Helper()
	server := httptest.NewServer(fake.New(fake.Options{Key: key, SlowDelay: time.Millisecond}))
	t.Cleanup(server.Close)
	return &llm.OpenAI{
		BaseURL: server.URL + "/v1",
		Key:     catalog.NewSecret(key),
		HTTP:    guard.NewClient(guard.Options{Allow: allow(t, "127.0.0.1"), MaxResponseBytes: 1 << 20}),
		Retry:   llm.Retry{Attempts: 3, Base: time.Microsecond, MaxWait: 100 * time.Millisecond},
	}
}

func allow(t *testing.T, entries ...string) guard.AllowList {
	t.Helper()
	list, err := guard.ParseAllowList(entries)
	if err != nil {
		t.Fatalf("reading the allow-list: %v", err)
	}
	return list
}

func ask(ctx context.Context, m llm.Model, model string) (llm.Answer, string, error) {
	var streamed strings.Builder
	answer, err := m.Stream(ctx, llm.Request{
		Model:    model,
		Messages: []llm.Message{{Role: llm.System, Text: "Be kind"}, {Role: llm.User, Text: "Hello there friend"}},
	}, func(d llm.Delta) { streamed.WriteString(d.Text) })
	return answer, streamed.String(), err
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		model  string
		want   llm.Answer
	}{
		"plain":  {"The answer streams, with the service's count of tokens.", fake.Model, llm.Answer{Text: "You said: Hello there friend", Usage: llm.Usage{Input: 5, Output: 5}}},
		"slow":   {"Pauses do no harm.", fake.Slow, llm.Answer{Text: "You said: Hello there friend", Usage: llm.Usage{Input: 5, Output: 5}}},
		"retry":  {"A busy service is asked again.", fake.RateLimitedOnce, llm.Answer{Text: "You said: Hello there friend", Usage: llm.Usage{Input: 5, Output: 5}}},
		"echoes": {"A key that the model repeats is not passed on.", fake.EchoKeyInAnswer, llm.Answer{Text: "Your key is [secret] and it is safe here.", Usage: llm.Usage{Input: 5, Output: 9}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, streamed, err := ask(t.Context(), start(t), tc.model)
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, answer); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.Text, streamed); diff != "" {
				t.Errorf("what was streamed is not the answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsInPlainWords(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		model    string
		change   func(*llm.OpenAI)
		code     v1alpha1.ErrorCode
		contains string
	}{
		"wrong key":     {"A key that is refused.", fake.Model, func(m *llm.OpenAI) { m.Key = catalog.NewSecret("sk-other-key-xyz") }, v1alpha1.ErrorUnauthorized, "did not accept the key"},
		"no key":        {"No key at all.", fake.Model, func(m *llm.OpenAI) { m.Key = catalog.Secret{} }, v1alpha1.ErrorUnauthorized, "did not accept the key"},
		"unknown model": {"A model that does not exist.", "no-such-model", nil, v1alpha1.ErrorUpstream, "no model of that name"},
		"no credit":     {"An account without credit.", fake.NoCredit, nil, v1alpha1.ErrorBudgetExceeded, "no credit"},
		"busy":          {"Too many requests.", fake.RateLimited, nil, v1alpha1.ErrorRateLimited, "too many requests"},
		"trouble":       {"A service that fails.", fake.Failing, nil, v1alpha1.ErrorUpstream, "trouble"},
		"too long":      {"A prompt that is too long.", fake.TooLong, nil, v1alpha1.ErrorTooLarge, "too long"},
		"echo":          {"An error that repeats the key.", fake.EchoKey, nil, v1alpha1.ErrorUpstream, "Prompt"},
		"endless":       {"An answer without end.", fake.Endless, nil, v1alpha1.ErrorTooLarge, ""},
		"broken":        {"A stream that breaks off.", fake.Broken, nil, v1alpha1.ErrorUpstream, "broke off"},
		"broken, error": {"A stream that ends in an error.", fake.BrokenByError, nil, v1alpha1.ErrorUpstream, "broke off"},
		"garbage":       {"Something else than a model.", fake.Garbage, nil, v1alpha1.ErrorUpstream, "service address"},
		"wrong path":    {"An address that lacks /v1.", fake.Model, func(m *llm.OpenAI) { m.BaseURL = strings.TrimSuffix(m.BaseURL, "/v1") }, v1alpha1.ErrorUpstream, "Model"},
		"blocked":       {"An address that must not be reached.", fake.Model, func(m *llm.OpenAI) { m.HTTP = guard.NewClient(guard.Options{}) }, v1alpha1.ErrorBlocked, "egress.allow"},
		"legacy model":  {"A model that does not chat.", "davinci-002", nil, v1alpha1.ErrorUpstream, "no model of that name"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := start(t)
			if tc.change != nil {
				tc.change(m)
			}
			_, _, err := ask(t.Context(), m, tc.model)
			var problem *catalog.Error
			if !errors.As(err, &problem) {
				t.Fatalf("%s\ngot %v, want a *catalog.Error", tc.reason, err)
			}
			if problem.Code != tc.code || !strings.Contains(problem.Message, tc.contains) {
				t.Errorf("%s\ngot %v, want %s with %q", tc.reason, problem, tc.code, tc.contains)
			}
			noKey(t, problem)
		})
	}
}

// noKey looks for the key, or a part of it, in every form of the error.
func noKey(t *testing.T, err *catalog.Error) {
	t.Helper()
	for e := error(err); e != nil; e = errors.Unwrap(e) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if text := fmt.Sprintf(verb, e); strings.Contains(text, "0123456789") {
				t.Errorf("%s of %T holds the key: %s", verb, e, text)
			}
		}
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	t.Parallel()
	_, _, err := ask(t.Context(), start(t), fake.RateLimited)
	var problem *catalog.Error
	if !errors.As(err, &problem) || problem.RetryAfter != time.Second {
		t.Errorf("got %#v, want RetryAfter of 1s", err)
	}
}

func TestStopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	m := start(t)
	_, err := m.Stream(ctx, llm.Request{Model: fake.Endless, Messages: []llm.Message{{Role: llm.User, Text: "x"}}}, func(llm.Delta) { cancel() })
	var problem *catalog.Error
	if !errors.As(err, &problem) || problem.Code != v1alpha1.ErrorCanceled {
		t.Errorf("got %v, want it to be canceled", err)
	}
}

// captured is what OpenAI's own service would get.
type captured struct{ body string }

func (c *captured) RoundTrip(req *http.Request) (*http.Response, error) {
	buf := new(strings.Builder)
	if _, err := fmt.Fprint(buf, req.URL.String(), "\n"); err != nil {
		return nil, err
	}
	body := make([]byte, 4096)
	n, _ := req.Body.Read(body)
	buf.Write(body[:n])
	c.body = buf.String()
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}}, nil
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	zero := 0.0
	cases := map[string]struct {
		reason string
		base   string
		want   []string
		absent []string
	}{
		"openai": {"OpenAI gets its own name for the cap.", "",
			[]string{"https://api.openai.com/v1/chat/completions", `"max_completion_tokens":7`, `"include_usage":true`, `"temperature":1e-45`}, []string{`"max_tokens"`}},
		"other": {"Other services get the name that they know.", "http://ollama.internal:11434/v1/",
			[]string{"http://ollama.internal:11434/v1/chat/completions", `"max_tokens":7`}, []string{"max_completion_tokens"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := new(captured)
			m := &llm.OpenAI{BaseURL: tc.base, HTTP: &http.Client{Transport: seen}, Retry: llm.Retry{Attempts: 1}}
			_, err := m.Stream(t.Context(), llm.Request{Model: "m", Temperature: &zero, MaxOutputTokens: 7, Messages: []llm.Message{{Role: llm.User, Text: "x"}}}, nil)
			if err == nil {
				t.Fatal("a service without an answer succeeded")
			}
			for _, want := range tc.want {
				if !strings.Contains(seen.body, want) {
					t.Errorf("%s\n%s is not in %s", tc.reason, want, seen.body)
				}
			}
			for _, absent := range tc.absent {
				if strings.Contains(seen.body, absent) {
					t.Errorf("%s\n%s is in %s", tc.reason, absent, seen.body)
				}
			}
		})
	}
}
