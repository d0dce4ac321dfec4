package llm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/guard"
)

// Codes in the errors of services that speak OpenAI's protocol.
const (
	codeNoCredit     = "insufficient_quota"
	codeUnknownModel = "model_not_found"
	codeTooLong      = "context_length_exceeded"
	codeWrongKey     = "invalid_api_key"
	codeFiltered     = "content_filter"
)

// explain says in plain words what went wrong. Nothing that the service said
// is passed on, as it may repeat the key or what the user wrote: only what kind
// of error it is.
func explain(err error, retryAfter time.Duration) *catalog.Error {
	reply, ok := replyOf(err)
	if !ok {
		if known := localProblem(err); known != nil {
			return known
		}
		return guard.Explain(err)
	}
	out := reply.explain()
	out.Cause = fmt.Errorf("the model service answered with an error, status %d", reply.status)
	if reply.status == http.StatusTooManyRequests || reply.status >= http.StatusInternalServerError {
		out.RetryAfter = retryAfter
	}
	return out
}

// reply is the error that a service answered with, reduced to what is safe.
type reply struct {
	status int
	code   string
	param  string
}

func replyOf(err error) (reply, bool) {
	if api, ok := errors.AsType[*openai.APIError](err); ok {
		out := reply{status: api.HTTPStatusCode, code: api.Type}
		if code, ok := api.Code.(string); ok && code != "" {
			out.code = code
		}
		if api.Param != nil {
			out.param = *api.Param
		}
		return out, true
	}
	if plain, ok := errors.AsType[*openai.RequestError](err); ok {
		return reply{status: plain.HTTPStatusCode}, true
	}
	return reply{}, false
}

func (r reply) explain() *catalog.Error {
	switch r.code {
	case codeNoCredit:
		return noCreditLeft()
	case codeUnknownModel:
		return unknownModel()
	case codeTooLong:
		return tooLong()
	case codeWrongKey:
		return wrongKey()
	case codeFiltered:
		return filtered()
	}
	return r.explainStatus()
}

func (r reply) explainStatus() *catalog.Error {
	switch {
	case r.status == 0:
		return problem(v1alpha1.ErrorUpstream, "The model service broke off in the middle of the answer. Try again.")
	case r.status == http.StatusUnauthorized:
		return wrongKey()
	case r.status == http.StatusPaymentRequired:
		return noCreditLeft()
	case r.status == http.StatusForbidden:
		return problem(v1alpha1.ErrorUnauthorized, "The key may not use this model. Choose another model, or a key with more rights.")
	case r.status == http.StatusNotFound:
		return unknownModel()
	case r.status == http.StatusRequestEntityTooLarge:
		return tooLong()
	case r.status == http.StatusTooManyRequests:
		return problem(v1alpha1.ErrorRateLimited, "The model service gets too many requests with this key. Try again in a minute.")
	case r.status >= http.StatusInternalServerError:
		return problem(v1alpha1.ErrorUpstream, "The model service has trouble at the moment. Try again in a minute.")
	}
	return r.explainRefusal()
}

// explainRefusal names the setting that the service did not like, where it is
// one of ours.
func (r reply) explainRefusal() *catalog.Error {
	settings := map[string]string{
		"temperature": "Creativity", "max_tokens": "Longest answer", "max_completion_tokens": "Longest answer",
		"model": "Model", "messages": "Prompt",
	}
	if label, ok := settings[strings.ToLower(r.param)]; ok {
		return problem(v1alpha1.ErrorUpstream, "The model service does not accept the setting “"+label+"” for this model. Change it, or clear it.")
	}
	return problem(v1alpha1.ErrorUpstream, "The model service did not accept the request. Check the model and the settings of this step.")
}

// localProblem explains what the library refuses before anything is sent.
func localProblem(err error) *catalog.Error {
	for _, sampling := range []error{openai.ErrReasoningModelLimitationsOther, openai.ErrReasoningSamplingUnsupported} {
		if errors.Is(err, sampling) {
			return problem(v1alpha1.ErrorUpstream, "This model has a fixed creativity. Clear the setting “Creativity”.")
		}
	}
	switch {
	case errors.Is(err, openai.ErrReasoningModelMaxTokensDeprecated):
		return problem(v1alpha1.ErrorUpstream, "This model does not accept the setting “Longest answer” at this service. Clear it.")
	case errors.Is(err, openai.ErrChatCompletionInvalidModel):
		return unknownModel()
	case errors.Is(err, openai.ErrTooManyEmptyStreamMessages):
		return noAnswer()
	}
	return nil
}

func problem(code v1alpha1.ErrorCode, message string) *catalog.Error {
	return &catalog.Error{Code: code, Message: message}
}

func filtered() *catalog.Error {
	return problem(v1alpha1.ErrorUpstream, "The model service withheld the answer because of its rules on content. Change the prompt.")
}

func noAnswer() *catalog.Error {
	return problem(v1alpha1.ErrorUpstream, "The service answered in a form that this step does not understand. Check the service address; it usually ends in /v1.")
}

func endless() *catalog.Error {
	return problem(v1alpha1.ErrorTooLarge, "The model's answer has no end. Set the longest answer, or ask for less.")
}

func noCreditLeft() *catalog.Error {
	return problem(v1alpha1.ErrorBudgetExceeded, "The account that the key belongs to has no credit left. Add credit at the model service, or choose another key.")
}

func wrongKey() *catalog.Error {
	return problem(v1alpha1.ErrorUnauthorized, "The model service did not accept the key. Check that it was copied as a whole, is for this service, and was not revoked there.")
}

func unknownModel() *catalog.Error {
	return problem(v1alpha1.ErrorUpstream, "The service knows no model of that name, or the key may not use it. Check the spelling under “Model”.")
}

func tooLong() *catalog.Error {
	return problem(v1alpha1.ErrorTooLarge, "The prompt is too long for this model. Shorten what goes into it, or choose a model that takes more.")
}
