package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/expr"
	"github.com/weft-run/weft/runtime/graph"
)

// failure is why a component or a run failed, in words for people.
type failure struct {
	code       v1alpha1.ErrorCode
	message    string
	retryAfter time.Duration
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

func failf(code v1alpha1.ErrorCode, format string, args ...any) *failure {
	return &failure{code: code, message: fmt.Sprintf(format, args...)}
}

var (
	errFinished = errors.New("the execution is over")
	errCanceled = failf(v1alpha1.ErrorCanceled, "the run was canceled")
	errPanicked = failf(v1alpha1.ErrorInternal, "the step broke in an unexpected way; this is a defect of Weft, please report it")
)

// retryable says whether trying again may help.
func (f *failure) retryable() bool {
	switch f.code {
	case v1alpha1.ErrorUpstream, v1alpha1.ErrorRateLimited, v1alpha1.ErrorTimeout, v1alpha1.ErrorInternal:
		return true
	}
	return false
}

// failureOf says why an execution failed. Only errors that were made for people
// are passed on.
func failureOf(err error, ctx *callContext, timeout time.Duration) *failure {
	var own *failure
	var made *catalog.Error
	switch {
	case errors.As(ctx.cause(), &own):
		return own
	case ctx.run.Err() != nil:
		return errCanceled
	case errors.As(err, &own):
		return own
	case errors.As(err, &made):
		return &failure{code: made.Code, message: made.Message, retryAfter: made.RetryAfter}
	case errors.Is(err, context.DeadlineExceeded), ctx.Err() != nil:
		return tooLong(timeout)
	}
	return failf(v1alpha1.ErrorInternal, "the step failed in an unexpected way; this is a defect of Weft, please report it")
}

func tooLong(timeout time.Duration) *failure {
	return failf(v1alpha1.ErrorTimeout, "the step took longer than %s; raise its timeout, or let it do less", timeout)
}

// paramFailure says which param could not be evaluated.
func paramFailure(err *graph.ParamError) *failure {
	code := v1alpha1.ErrorExpression
	if err.Err.Kind == expr.TooLarge {
		code = v1alpha1.ErrorTooLarge
	}
	return failf(code, "%s", err.Error())
}
