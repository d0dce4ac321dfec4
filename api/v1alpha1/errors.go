package v1alpha1

// ErrorCode says why a run, or one component of it, failed. The list is
// closed: clients may switch over it.
type ErrorCode string

const (
	// ErrorInvalidInput means: the caller's input does not fit the flow.
	ErrorInvalidInput ErrorCode = "InvalidInput"
	// ErrorUnauthorized means: a credential is missing, wrong, or not allowed here.
	ErrorUnauthorized ErrorCode = "Unauthorized"
	// ErrorRateLimited means: this service or an upstream one asks to slow down.
	ErrorRateLimited ErrorCode = "RateLimited"
	// ErrorUpstream means: a service that the flow calls failed or answered nonsense.
	ErrorUpstream ErrorCode = "Upstream"
	// ErrorBlocked means: the address is not one that this workspace may reach.
	ErrorBlocked ErrorCode = "Blocked"
	// ErrorTimeout means: a component or the run took longer than it may.
	ErrorTimeout ErrorCode = "Timeout"
	// ErrorTooLarge means: a value or the run's data is larger than allowed.
	ErrorTooLarge ErrorCode = "TooLarge"
	// ErrorBudgetExceeded means: a budget of tokens, steps or runs is used up.
	ErrorBudgetExceeded ErrorCode = "BudgetExceeded"
	// ErrorExpression means: an expression could not be evaluated on these values.
	ErrorExpression ErrorCode = "Expression"
	// ErrorCanceled means: the caller went away or stopped the run.
	ErrorCanceled ErrorCode = "Canceled"
	// ErrorInternal means: a defect of Weft itself.
	ErrorInternal ErrorCode = "Internal"
)

// ErrorCodes returns every code, in the order of their declaration.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		ErrorInvalidInput, ErrorUnauthorized, ErrorRateLimited, ErrorUpstream, ErrorBlocked,
		ErrorTimeout, ErrorTooLarge, ErrorBudgetExceeded, ErrorExpression, ErrorCanceled, ErrorInternal,
	}
}
