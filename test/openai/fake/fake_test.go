package fake_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weft-run/weft/test/openai/fake"
)

const key = "sk-test-key"

func call(t *testing.T, auth, contentType, path, body string) (int, string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Authorization", auth)
	req.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	fake.New(fake.Options{Key: key}).ServeHTTP(recorder, req)
	answer, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return recorder.Code, string(answer)
}

func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	const bearer, asJSON, chat = "Bearer " + key, "application/json", "/v1/chat/completions"
	cases := map[string]struct {
		reason                        string
		auth, contentType, path, body string
		status                        int
		contains                      string
	}{
		"good":            {"A plain request is answered.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`, 200, `"You said: x"`},
		"no key":          {"A request needs a key.", "", asJSON, chat, `{}`, 401, "API key"},
		"other key":       {"It needs the right one, which is not repeated.", "Bearer sk-other-key", asJSON, chat, `{}`, 401, `"invalid_api_key"`},
		"other scheme":    {"It needs it as a bearer token.", "Basic " + key, asJSON, chat, `{}`, 401, "API key"},
		"other type":      {"Only JSON is taken.", bearer, "text/plain", chat, `{}`, 400, "application/json"},
		"unknown field":   {"Unknown fields are refused.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"surprise":1}`, 400, "surprise"},
		"two values":      {"One JSON value only.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}{}`, 400, "more than one"},
		"no model":        {"A model must be named.", bearer, asJSON, chat, `{"messages":[{"role":"user","content":"x"}]}`, 400, "model"},
		"no messages":     {"There must be a message.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[]}`, 400, "messages"},
		"odd role":        {"Roles are a closed list.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"boss","content":"x"}]}`, 400, "boss"},
		"two caps":        {"There is one cap.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"max_tokens":1,"max_completion_tokens":1}`, 400, "same time"},
		"too hot":         {"The temperature has bounds.", bearer, asJSON, chat, `{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":3}`, 400, `"temperature"`},
		"unknown path":    {"Other paths are errors of the protocol too.", bearer, asJSON, "/v1/nothing", `{}`, 404, "Unknown request URL"},
		"embedding model": {"Models for chats do not embed.", bearer, asJSON, "/v1/embeddings", `{"model":"gpt-4o","input":"x"}`, 404, "model_not_found"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, answer := call(t, tc.auth, tc.contentType, tc.path, tc.body)
			if status != tc.status || !strings.Contains(answer, tc.contains) {
				t.Errorf("%s\ngot %d %s\nwant %d with %s", tc.reason, status, answer, tc.status, tc.contains)
			}
		})
	}
}

func TestVectorsOfSharedWordsAreNearer(t *testing.T) {
	t.Parallel()
	dot := func(a, b []float32) (sum float32) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	shoes := fake.Vector("red shoes", 64)
	near, far := dot(shoes, fake.Vector("red boots", 64)), dot(shoes, fake.Vector("tax forms", 64))
	if near <= far || dot(shoes, shoes) < 0.99 {
		t.Errorf("near %v, far %v, itself %v", near, far, dot(shoes, shoes))
	}
}
