package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"

	"github.com/sashabaranov/go-openai"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/llm/scrub"
)

// OpenAIBaseURL is OpenAI's own service.
const OpenAIBaseURL = "https://api.openai.com/v1"

// Bounds of an answer, whatever the service sends.
const (
	maxAnswerBytes = 4 << 20
	// maxEmptyLines between two pieces of an answer. Services send empty lines
	// and comments while the model thinks.
	maxEmptyLines = 10_000
)

// OpenAI is any service that speaks OpenAI's protocol for chats.
type OpenAI struct {
	// BaseURL up to and including /v1. Default OpenAIBaseURL.
	BaseURL string
	// Key, empty for services that want none.
	Key catalog.Secret
	// HTTP is the guarded client.
	HTTP *http.Client
	// Retry where the service is busy. The zero value means DefaultRetry.
	Retry Retry
}

var _ Model = (*OpenAI)(nil)

// Stream implements Model.
func (o *OpenAI) Stream(ctx context.Context, req Request, emit func(Delta)) (Answer, error) {
	client := &retrier{client: o.HTTP, policy: o.Retry}
	if client.policy == (Retry{}) {
		client.policy = DefaultRetry()
	}
	answer, err := o.stream(ctx, client, req, emit)
	if err != nil {
		return Answer{}, explain(err, client.retryAfter)
	}
	return answer, nil
}

func (o *OpenAI) stream(ctx context.Context, client *retrier, req Request, emit func(Delta)) (Answer, error) {
	config := openai.DefaultConfig(o.Key.Reveal())
	config.HTTPClient = client
	config.EmptyMessagesLimit = maxEmptyLines
	if o.BaseURL != "" {
		config.BaseURL = o.BaseURL
	}
	stream, err := openai.NewClientWithConfig(config).CreateChatCompletionStream(ctx, o.wire(req))
	if err != nil {
		return Answer{}, fmt.Errorf("beginning the answer: %w", err)
	}
	defer func() { _ = stream.Close() }()
	return o.collect(stream, req, emit)
}

// chunks is what collect needs of a stream.
type chunks interface {
	Recv() (openai.ChatCompletionStreamResponse, error)
}

func (o *OpenAI) collect(stream chunks, req Request, emit func(Delta)) (Answer, error) {
	var text strings.Builder
	var usage *openai.Usage
	var finish openai.FinishReason
	clean := scrub.NewStream(o.Key, func(piece string) {
		text.WriteString(piece)
		emit(Delta{Text: piece})
	})
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Answer{}, fmt.Errorf("reading the answer: %w", err)
		}
		if chunk.Usage != nil {
			usage = chunk.Usage
		}
		for _, choice := range chunk.Choices {
			clean.Write(choice.Delta.Content)
			if choice.FinishReason != "" {
				finish = choice.FinishReason
			}
		}
		if text.Len() > maxAnswerBytes {
			return Answer{}, endless()
		}
	}
	clean.Close()
	return finished(text.String(), finish, usage, req)
}

func finished(text string, finish openai.FinishReason, usage *openai.Usage, req Request) (Answer, error) {
	switch {
	case text == "" && finish == openai.FinishReasonContentFilter:
		return Answer{}, filtered()
	case text == "" && finish == "":
		return Answer{}, noAnswer()
	}
	answer := Answer{Text: text, Cut: finish == openai.FinishReasonLength}
	if usage != nil {
		answer.Usage = Usage{Input: int64(usage.PromptTokens), Output: int64(usage.CompletionTokens)}
	} else {
		answer.Usage = estimate(req.Messages, text)
	}
	return answer, nil
}

func (o *OpenAI) wire(req Request) openai.ChatCompletionRequest {
	out := openai.ChatCompletionRequest{
		Model:         req.Model,
		Messages:      make([]openai.ChatCompletionMessage, len(req.Messages)),
		StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	}
	for i, m := range req.Messages {
		out.Messages[i] = openai.ChatCompletionMessage{Role: string(m.Role), Content: m.Text}
	}
	if req.Temperature != nil {
		// The library leaves out a zero, which would mean the default of 1.
		out.Temperature = max(float32(*req.Temperature), math.SmallestNonzeroFloat32)
	}
	// OpenAI deprecated max_tokens; most other services know only that one.
	if o.isOpenAI() {
		out.MaxCompletionTokens = req.MaxOutputTokens
	} else {
		out.MaxTokens = req.MaxOutputTokens //nolint:staticcheck // deprecated by OpenAI only
	}
	return out
}

func (o *OpenAI) isOpenAI() bool {
	if o.BaseURL == "" {
		return true
	}
	base, err := url.Parse(o.BaseURL)
	return err == nil && strings.HasSuffix(base.Hostname(), "openai.com")
}

// estimate counts tokens where the service does not: about four bytes each.
func estimate(messages []Message, answer string) Usage {
	var input int
	for _, m := range messages {
		input += len(m.Text)
	}
	return Usage{Input: int64(input+3) / 4, Output: int64(len(answer)+3) / 4}
}
