package ai_test

import (
	"errors"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/ai"
	"github.com/weft-run/weft/runtime/guard"
	"github.com/weft-run/weft/runtime/llm"
	"github.com/weft-run/weft/test/openai/fake"
)

const key = "sk-test-0123456789"

// caller makes calls to a fake of the service, and sees what they stream and
// how many tokens they report.
type caller struct {
	call     catalog.Call
	streamed strings.Builder
	tokens   int64
}

func newCaller(t *testing.T, params catalog.Params) *caller {
	t.Helper()
	server := httptest.NewServer(fake.New(fake.Options{Key: key}))
	t.Cleanup(server.Close)
	allow, err := guard.ParseAllowList([]string{"127.0.0.1"})
	if err != nil {
		t.Fatalf("reading the allow-list: %v", err)
	}
	c := &caller{}
	c.call = catalog.Call{
		Params:     catalog.Params{"model": fake.Model, "baseURL": server.URL + "/v1", "maxOutputTokens": 4096.0},
		Inputs:     map[string]any{},
		Credential: catalog.NewSecret(key),
		HTTP:       guard.NewClient(guard.Options{Allow: allow}),
		Emit:       func(text string) { c.streamed.WriteString(text) },
		AddTokens:  func(n int64) { c.tokens += n },
	}
	maps.Copy(c.call.Params, params)
	return c
}

func TestOpenAIChat(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		params    catalog.Params
		input     any
		templated map[string]bool
		want      string
		tokens    float64
	}{
		"prompt":                 {"The prompt is asked.", catalog.Params{"prompt": "Hi"}, nil, nil, "You said: Hi", 4},
		"system":                 {"Instructions go along.", catalog.Params{"prompt": "Hi", "system": "Be kind"}, nil, nil, "You said: Hi", 6},
		"input alone":            {"What comes in is asked where there is no prompt.", nil, "Hi", nil, "You said: Hi", 4},
		"input below":            {"It stands below a prompt that names no values.", catalog.Params{"prompt": "Repeat:"}, "Hi", nil, "You said: Repeat:\n\nHi", 4},
		"input named":            {"A prompt that names values says itself where they stand.", catalog.Params{"prompt": "Say Hi twice"}, "Hi", map[string]bool{"prompt": true}, "You said: Say Hi twice", 8},
		"other param templated":  {"Only the prompt's own values count.", catalog.Params{"prompt": "Repeat:"}, "Hi", map[string]bool{"system": true}, "You said: Repeat:\n\nHi", 4},
		"cap":                    {"The longest answer is obeyed.", catalog.Params{"prompt": "Hi", "maxOutputTokens": 2.0}, nil, nil, "You said:", 3},
		"temperature at default": {"A temperature is passed on.", catalog.Params{"prompt": "Hi", "temperature": 0.5}, nil, nil, "You said: Hi", 4},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, tc.params)
			c.call.Templated = tc.templated
			if tc.input != nil {
				c.call.Inputs["main"] = tc.input
			}
			got, err := ai.OpenAIChat().Run(t.Context(), &c.call)
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(catalog.Outputs{"main": tc.want, "tokens": tc.tokens}, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
			if c.streamed.String() != tc.want || float64(c.tokens) != tc.tokens {
				t.Errorf("%s\nstreamed %q and reported %d tokens", tc.reason, c.streamed.String(), c.tokens)
			}
		})
	}
}

func TestChatProblems(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason    string
		component *catalog.Component
		params    catalog.Params
		code      v1alpha1.ErrorCode
	}{
		"nothing to ask":           {"An empty prompt is not sent.", ai.OpenAIChat(), catalog.Params{"prompt": "  "}, v1alpha1.ErrorInvalidInput},
		"nothing to ask, practice": {"Not even to the practice model.", ai.PracticeChat(), nil, v1alpha1.ErrorInvalidInput},
		"wrong key":                {"The service's errors are passed on in plain words.", ai.OpenAIChat(), catalog.Params{"prompt": "Hi", "model": fake.WrongKey}, v1alpha1.ErrorUnauthorized},
		"blocked":                  {"So are those of the guard.", ai.OpenAIChat(), catalog.Params{"prompt": "Hi", "baseURL": "http://169.254.169.254/v1"}, v1alpha1.ErrorBlocked},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, tc.params)
			_, err := tc.component.Run(t.Context(), &c.call)
			var problem *catalog.Error
			if !errors.As(err, &problem) || problem.Code != tc.code {
				t.Errorf("%s\ngot %v, want %s", tc.reason, err, tc.code)
			}
		})
	}
}

func TestPracticeChat(t *testing.T) {
	t.Parallel()
	c := newCaller(t, catalog.Params{"prompt": "Give me 2 ideas about tea"})
	c.call.HTTP, c.call.Credential = nil, catalog.Secret{}
	got, err := ai.PracticeChat().Run(t.Context(), &c.call)
	if err != nil {
		t.Fatalf("practising: %v", err)
	}
	text, _ := got["main"].(string)
	if !strings.Contains(text, "tea") || !strings.HasSuffix(text, llm.PracticeNote) || c.streamed.String() != text || c.tokens == 0 {
		t.Errorf("got %q, streamed %q, %d tokens", text, c.streamed.String(), c.tokens)
	}
}

func TestServiceAddressIsChecked(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{
		"": true, "https://llm.example.com/v1": true, "http://10.0.0.1:11434/v1": true,
		"llm.example.com": false, "ftp://x/v1": false, "https://": false, "https://user:pass@x/v1": false, "https://x/v1?key=1": false, "https://x/v1#a": false, "https://%zz": false,
	}
	for address, good := range cases {
		problems := ai.OpenAIChat().Validate(catalog.Params{"baseURL": address})
		if (len(problems) == 0) != good {
			t.Errorf("%q: got %v, want good=%v", address, problems, good)
		}
	}
}
