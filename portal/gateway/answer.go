package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// answer is what a request gets from the gateway itself. There are few of
// them, and they are the same to the byte for everyone who may not know more.
type answer struct {
	status int
	// code names the answer in logs and metrics.
	code    string
	message string
	// retryAfter tells when to come again.
	retryAfter time.Duration
	// cause is logged, never shown.
	cause error
}

// Error makes an answer an error, so that a step can end a request with it.
func (a *answer) Error() string {
	if a.cause == nil {
		return a.code
	}
	return fmt.Sprintf("%s: %v", a.code, a.cause)
}

// Unwrap returns the cause.
func (a *answer) Unwrap() error { return a.cause }

func badRequest(cause error) *answer {
	return &answer{
		status: http.StatusBadRequest, code: "BadRequest", cause: cause,
		message: "The request could be read in more than one way. Send a plain path and one host.",
	}
}

// unauthorized answers everyone whom we do not know, whatever they asked for:
// a flow that exists, one that does not, or something else.
func unauthorized(cause error) *answer {
	return &answer{
		status: http.StatusUnauthorized, code: "Unauthorized", cause: cause,
		message: "Send a valid endpoint key or access token in the Authorization header.",
	}
}

// notFound answers everyone whom we know and who may not call, whether there
// is something or not.
func notFound() *answer {
	return &answer{
		status: http.StatusNotFound, code: "NotFound",
		message: "There is nothing at this address, or it is not yours.",
	}
}

func forbiddenOrigin() *answer {
	return &answer{
		status: http.StatusForbidden, code: "OriginNotAllowed",
		message: "Pages of this origin may not call this flow. Add the origin to its allowed origins.",
	}
}

func methodNotAllowed() *answer {
	return &answer{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "This method is not supported here. Use POST."}
}

func tooLarge(limit int64) *answer {
	return &answer{
		status: http.StatusRequestEntityTooLarge, code: "TooLarge",
		message: fmt.Sprintf("The body of the request is larger than %d bytes, which is as much as this flow takes.", limit),
	}
}

func badBody(cause error) *answer {
	return &answer{status: http.StatusBadRequest, code: "BadBody", cause: cause, message: "The body of the request ended early or came too slowly."}
}

func limited(what string, after time.Duration) *answer {
	return &answer{
		status: http.StatusTooManyRequests, code: "RateLimited", retryAfter: after,
		message: "Too many requests: " + what + ". Try again later.",
	}
}

func paused() *answer {
	return &answer{status: http.StatusServiceUnavailable, code: "Paused", retryAfter: time.Minute, message: "This flow is paused. Its owner can start it again."}
}

func noEndpoints(cause error) *answer {
	return &answer{
		status: http.StatusServiceUnavailable, code: "NotReady", retryAfter: 5 * time.Second, cause: cause,
		message: "This flow is not ready to answer: none of its pods is. Try again in a moment.",
	}
}

// unavailable answers when something that a decision needs does not answer. It
// names the part, which is the same for every flow.
func unavailable(part string, cause error) *answer {
	return &answer{
		status: http.StatusServiceUnavailable, code: "Unavailable", retryAfter: 5 * time.Second, cause: cause,
		message: "The " + part + " does not answer at the moment. Try again in a moment.",
	}
}

func busy() *answer {
	return &answer{status: http.StatusServiceUnavailable, code: "Busy", retryAfter: time.Second, message: "Too many requests are being served at the moment. Try again in a moment."}
}

func badGateway(cause error) *answer {
	return &answer{status: http.StatusBadGateway, code: "BadGateway", cause: cause, message: "The flow's pod broke the connection before it had answered. Try again."}
}

func timedOut(cause error) *answer {
	return &answer{status: http.StatusGatewayTimeout, code: "Timeout", cause: cause, message: "The flow did not answer within the time that one run may take."}
}

// statusCanceled is logged for a caller who went away; nobody receives it.
const statusCanceled = 499

func canceled() *answer { return &answer{status: statusCanceled, code: "Canceled"} }

// body renders the answer in the shape of all answers of the system.
func (a *answer) body() []byte {
	// A struct of two texts always has a JSON form.
	b, err := json.Marshal(struct {
		Success string `json:"success"`
		Message string `json:"message"`
	}{"false", a.message})
	if err != nil {
		return nil
	}
	return append(b, '\n')
}

// write sends the answer. h holds what all answers of this request carry.
func (a *answer) write(w http.ResponseWriter, method string) int {
	h, body := w.Header(), a.body()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	if a.status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", `Bearer realm="weft"`)
	}
	if a.status == http.StatusMethodNotAllowed {
		h.Set("Allow", allowedMethods)
	}
	if a.retryAfter > 0 {
		h.Set("Retry-After", seconds(a.retryAfter))
	}
	w.WriteHeader(a.status)
	if method == http.MethodHead {
		return 0
	}
	n, err := w.Write(body)
	if err != nil {
		return n // the caller went away; the log has the bytes that got through
	}
	return n
}

// seconds rounds up: who comes again a moment too early is refused again.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
