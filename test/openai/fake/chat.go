package fake

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

type chatRequest struct {
	Model               string          `json:"model"`
	Messages            []message       `json:"messages"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	N                   *int            `json:"n"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options"`
	Stop                json.RawMessage `json:"stop"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	Seed                *int            `json:"seed"`
	User                string          `json:"user"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
	Name    string  `json:"name,omitempty"`
}

// content is a text, or parts of which those of type text count.
type content string

// UnmarshalJSON reads both forms.
func (c *content) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*c = content(text)
		return nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return errors.New("content must be a string or a list of parts")
	}
	for _, part := range parts {
		*c += content(part.Text)
	}
	return nil
}

func (r *chatRequest) check() *apiError {
	problem := func(param, message string) *apiError {
		e := badRequest(param, message)
		return &e
	}
	switch {
	case r.Model == "":
		return problem("model", "you must provide a model parameter")
	case len(r.Messages) == 0:
		return problem("messages", "[] is too short - 'messages'")
	case r.MaxTokens != nil && r.MaxCompletionTokens != nil:
		return problem("max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case r.StreamOptions != nil && !r.Stream:
		return problem("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case r.Temperature != nil && (*r.Temperature < 0 || *r.Temperature > 2):
		return problem("temperature", "'temperature' must be between 0 and 2.")
	case r.N != nil && *r.N != 1:
		return problem("n", "This server supports 'n' of 1 only.")
	}
	for _, m := range r.Messages {
		if !slices.Contains([]string{"system", "developer", "user", "assistant"}, m.Role) {
			return problem("messages", "Invalid value for 'role': '"+m.Role+"'.")
		}
	}
	return nil
}

func (r *chatRequest) lastOfUser() string {
	for _, m := range slices.Backward(r.Messages) {
		if m.Role == "user" {
			return string(m.Content)
		}
	}
	return ""
}

// limit of tokens of the answer, or -1.
func (r *chatRequest) limit() int {
	for _, n := range []*int{r.MaxCompletionTokens, r.MaxTokens} {
		if n != nil {
			return *n
		}
	}
	return -1
}

func (s *server) chat(w http.ResponseWriter, r *http.Request) {
	var req chatRequest
	if !decode(w, r, &req) {
		return
	}
	if problem := req.check(); problem != nil {
		fail(w, *problem)
		return
	}
	if !slices.Contains(Models(), req.Model) || req.Model == Embedding {
		fail(w, unknownModel(req.Model))
		return
	}
	if s.misbehave(w, req.Model) {
		return
	}
	answer := s.answer(&req)
	if req.Stream {
		s.stream(w, r, &req, answer)
		return
	}
	if s.options.SlowDelay > 0 && req.Model == Slow {
		s.pause(r.Context())
	}
	reply(w, http.StatusOK, answer.whole(req.Model))
}

// misbehave answers for the models that fail before they answer.
func (s *server) misbehave(w http.ResponseWriter, model string) bool {
	switch model {
	case RateLimitedOnce:
		if s.limited.Add(1)%2 == 0 {
			return false
		}
		w.Header().Set("Retry-After", "0.01")
		fail(w, tooManyRequests())
	case RateLimited:
		w.Header().Set("Retry-After", "1")
		fail(w, tooManyRequests())
	case NoCredit:
		fail(w, withCode(apiError{
			Status: http.StatusTooManyRequests, Type: "insufficient_quota",
			Message: "You exceeded your current quota, please check your plan and billing details.",
		}, "insufficient_quota"))
	case Failing:
		fail(w, apiError{Status: http.StatusInternalServerError, Type: "server_error", Message: "The server had an error while processing your request."})
	case WrongKey:
		fail(w, wrongKey(s.options.Key))
	case TooLong:
		fail(w, withCode(badRequest("messages", "This model's maximum context length is 8 tokens."), "context_length_exceeded"))
	case EchoKey:
		fail(w, badRequest("messages", "Your request with the key "+s.options.Key+" was not understood."))
	case Garbage:
		w.Header().Set("Content-Type", "text/html")
		if _, err := w.Write([]byte("<!DOCTYPE html><title>Welcome</title>")); err != nil {
			panic(http.ErrAbortHandler)
		}
	default:
		return false
	}
	return true
}

func tooManyRequests() apiError {
	return withCode(apiError{
		Status: http.StatusTooManyRequests, Type: "requests",
		Message: "Rate limit reached for this model. Please try again in 1s.",
	}, "rate_limit_exceeded")
}

// answer is what the model says. A token is a word with the space before it.
type answer struct {
	tokens []string
	cut    bool
	prompt int
}

func (s *server) answer(req *chatRequest) answer {
	text := "You said: " + req.lastOfUser()
	if req.Model == EchoKeyInAnswer {
		text = "Your key is " + s.options.Key + " and it is safe here."
	}
	a := answer{tokens: tokens(text)}
	for _, m := range req.Messages {
		a.prompt += len(tokens(string(m.Content)))
	}
	if limit := req.limit(); limit >= 0 && limit < len(a.tokens) {
		a.tokens, a.cut = a.tokens[:limit], true
	}
	return a
}

func tokens(text string) []string {
	var out []string
	for text != "" {
		n := strings.IndexByte(text[1:], ' ') + 1
		if n == 0 {
			n = len(text)
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

func (a answer) finish() string {
	if a.cut {
		return "length"
	}
	return "stop"
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

func (a answer) usage() *usage {
	return &usage{PromptTokens: a.prompt, CompletionTokens: len(a.tokens), TotalTokens: a.prompt + len(a.tokens)}
}

type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage"`
}

type choice struct {
	Index        int        `json:"index"`
	Message      *replyText `json:"message,omitempty"`
	Delta        *replyText `json:"delta,omitempty"`
	Logprobs     *struct{}  `json:"logprobs"`
	FinishReason *string    `json:"finish_reason"`
}

type replyText struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
	Refusal *string `json:"refusal,omitempty"`
}

const completionID = "chatcmpl-weft-test"

func (a answer) whole(model string) completion {
	text, finish := strings.Join(a.tokens, ""), a.finish()
	return completion{
		ID: completionID, Object: "chat.completion", Created: created, Model: model,
		Choices: []choice{{Message: &replyText{Role: "assistant", Content: &text}, FinishReason: &finish}},
		Usage:   a.usage(),
	}
}
