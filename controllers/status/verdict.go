package status

import (
	"fmt"

	"github.com/weft-run/weft/api/v1alpha1"
)

// verdict is why an object is not Ready. A nil verdict means that it is.
type verdict struct {
	reason, message string
	// stalled: it will not get better by itself.
	stalled bool
}

func stalled(reason, format string, args ...any) *verdict {
	return &verdict{reason: reason, message: fmt.Sprintf(format, args...), stalled: true}
}

func progressing(reason, format string, args ...any) *verdict {
	return &verdict{reason: reason, message: fmt.Sprintf(format, args...)}
}

// first returns the verdict of the first check that has one.
func first(checks ...func() *verdict) *verdict {
	for _, check := range checks {
		if v := check(); v != nil {
			return v
		}
	}
	return nil
}

// Failure is an object that could not be brought into the cluster.
type Failure struct {
	// Message names the object and says why.
	Message string
	// Permanent: trying again will not help.
	Permanent bool
}

func (f *Failure) verdict() *verdict {
	switch {
	case f == nil:
		return nil
	case f.Permanent:
		return stalled(v1alpha1.ReasonApplyFailed, "%s", bounded(f.Message, maxMessage))
	default:
		return progressing(v1alpha1.ReasonApplyFailed, "%s; trying again", bounded(f.Message, maxMessage))
	}
}
