package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/graph"
)

// writeTimeout bounds how long a client may take to read an answer, or one
// event of a stream.
const writeTimeout = 30 * time.Second

// success is the answer to a run that succeeded. "success" is a text by the
// interface's contract.
type success struct {
	Success string `json:"success"`
	Result  any    `json:"result"`
}

// failure is the answer to everything else.
type failure struct {
	Success string `json:"success"`
	Message string `json:"message"`
	Errors  any    `json:"errors"`

	status     int
	retryAfter time.Duration
	headers    map[string]string
}

// Error makes failure an error, for functions that stop early.
func (f *failure) Error() string { return f.Message }

func refuse(status int, code v1alpha1.ErrorCode, message string) *failure {
	return &failure{
		Success: "false", Message: message, status: status,
		Errors: []engine.RunError{{Code: code, Message: message}},
	}
}

func (f *failure) with(header, value string) *failure {
	if f.headers == nil {
		f.headers = map[string]string{}
	}
	f.headers[header] = value
	return f
}

func (f *failure) after(d time.Duration) *failure {
	f.retryAfter = d
	return f
}

// runFailed is the answer to a run that did not succeed.
func runFailed(result engine.Result) *failure {
	first := engine.RunError{Code: v1alpha1.ErrorInternal, Message: "The run did not succeed."}
	if result.Status == engine.Canceled {
		first = engine.RunError{Code: v1alpha1.ErrorCanceled, Message: "The run was stopped before it was done."}
	}
	if len(result.Errors) > 0 {
		first = result.Errors[0]
	}
	f := &failure{Success: "false", Message: first.Message, Errors: result.Errors, status: statusOf(first.Code)}
	if len(result.Errors) == 0 {
		f.Errors = []engine.RunError{first}
	}
	if first.Code == v1alpha1.ErrorRateLimited {
		f.retryAfter = upstreamPause
	}
	return f
}

// upstreamPause is what callers are told to wait where a service that the flow
// calls is busy.
const upstreamPause = 5 * time.Second

// flowProblems is the answer to a draft that cannot be run.
func flowProblems(problems []graph.Problem) *failure {
	return &failure{
		Success: "false", Message: "The flow has errors. Correct them and run it again.",
		Errors: problems, status: http.StatusUnprocessableEntity,
	}
}

// statusOf is the HTTP status of a run's error. 401 is never one of them: to
// the gateway it means that the request token is not good. A credential that
// a service refuses is the flow's matter, not the caller's.
func statusOf(code v1alpha1.ErrorCode) int {
	switch code {
	case v1alpha1.ErrorInvalidInput:
		return http.StatusBadRequest
	case v1alpha1.ErrorRateLimited, v1alpha1.ErrorBudgetExceeded:
		return http.StatusTooManyRequests
	case v1alpha1.ErrorUnauthorized, v1alpha1.ErrorUpstream, v1alpha1.ErrorBlocked:
		return http.StatusBadGateway
	case v1alpha1.ErrorTimeout:
		return http.StatusGatewayTimeout
	case v1alpha1.ErrorTooLarge, v1alpha1.ErrorExpression:
		return http.StatusUnprocessableEntity
	case v1alpha1.ErrorCanceled:
		return http.StatusServiceUnavailable
	case v1alpha1.ErrorInternal:
	}
	return http.StatusInternalServerError
}

func (f *failure) writeHeaders(w http.ResponseWriter) {
	for name, value := range f.headers {
		w.Header().Set(name, value)
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.retryAfter+time.Second-1)/time.Second)))
	}
}

// replyJSON writes an answer as a whole. Encoding comes first, so that a value
// that cannot be encoded is an error and no half answer.
func replyJSON(w http.ResponseWriter, status int, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		status = http.StatusInternalServerError
		data = []byte(`{"success":"false","message":"The result cannot be written as JSON.","errors":[]}`)
	}
	reply(w, status, "application/json", data)
}

func reply(w http.ResponseWriter, status int, contentType string, data []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return
	}
	w.WriteHeader(status)
	// A client that went away is no error of ours.
	_, _ = w.Write(data)
}

func replyFailure(w http.ResponseWriter, f *failure) {
	f.writeHeaders(w)
	replyJSON(w, f.status, f)
}
