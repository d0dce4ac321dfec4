package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/weft-run/weft/portal/store"
)

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Codes of field errors.
const (
	CodeRequired  = "Required"
	CodeInvalid   = "Invalid"
	CodeUnknown   = "Unknown"
	CodeDuplicate = "Duplicate"
	CodeTooLarge  = "TooLarge"
	CodeConflict  = "Conflict"
)

// Error is an answer that says what happened and what to do. Its message is
// shown to the caller, so it holds neither secrets nor the caller's own values.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Message for people.
	Message string
	// Fields that are to blame, if any.
	Fields []FieldError
	// RetryAfter tells when to come again, where that is known.
	RetryAfter time.Duration
	// Extra is merged into the JSON answer: for a conflict, both versions.
	Extra map[string]any
	// Cause is logged and never shown.
	Cause error
}

// Error returns the message and, for logs, the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// NotFound answers for what does not exist and for what is another tenant's,
// alike to the byte.
func NotFound() *Error {
	return &Error{Status: http.StatusNotFound, Message: "There is nothing at this address, or it is not yours."}
}

// Invalid answers a request whose fields are wrong.
func Invalid(fields ...FieldError) *Error {
	message := "The request is not valid."
	if len(fields) == 1 {
		message = fields[0].Message
	}
	return &Error{Status: http.StatusBadRequest, Message: message, Fields: fields}
}

// Conflict answers a write that contradicts what is stored.
func Conflict(message string, fields ...FieldError) *Error {
	return &Error{Status: http.StatusConflict, Message: message, Fields: fields}
}

// Unauthorized answers a caller who did not say who they are.
func Unauthorized(message string) *Error {
	return &Error{Status: http.StatusUnauthorized, Message: message}
}

// Forbidden answers a caller who may not do this.
func Forbidden(message string) *Error {
	return &Error{Status: http.StatusForbidden, Message: message}
}

// Unavailable answers when a part that is needed is away, and names it.
func Unavailable(part string, cause error) *Error {
	return &Error{
		Status:     http.StatusServiceUnavailable,
		Message:    fmt.Sprintf("The %s is not available right now. Please try again in a moment.", part),
		RetryAfter: 5 * time.Second,
		Cause:      cause,
	}
}

func signInFirst() *Error {
	return Unauthorized("Please sign in first.")
}

// asError finds the answer for an error.
func asError(err error) *Error {
	var known *Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooLarge):
		return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request is larger than %d bytes.", tooLarge.Limit), Cause: err}
	case errors.Is(err, store.ErrNotFound):
		return NotFound()
	case errors.Is(err, store.ErrUnavailable):
		return Unavailable("database", err)
	case errors.Is(err, store.ErrConflict):
		return &Error{Status: http.StatusConflict, Message: "This was changed by somebody else in the meantime, or the name is taken.", Cause: err}
	case clusterAway(err):
		return Unavailable("cluster", err)
	case errors.Is(err, context.Canceled):
		return &Error{Status: statusClientGone, Message: "The request was given up.", Cause: err}
	case errors.Is(err, context.DeadlineExceeded), isNetwork(err):
		return Unavailable("part of the system that this needs", err)
	}
	return &Error{Status: http.StatusInternalServerError, Message: "Something went wrong on our side. Please try again.", Cause: err}
}

// statusClientGone stands in metrics for callers who did not wait for the answer.
const statusClientGone = 499

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}

func clusterAway(err error) bool {
	return apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err)
}
