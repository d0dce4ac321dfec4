package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/controllers/apply"
	"github.com/weft-run/weft/controllers/status"
)

// Times after which an object is looked at again though nothing was heard of
// it.
const (
	// afterConflict: what was read is older than what is stored. The newer
	// version is on its way and brings its own event; this is the safety net.
	afterConflict = time.Second
	// whileMissing: Secrets are not watched, so that the operator needs no
	// right to list them.
	whileMissing = 5 * time.Second
	// whileResolved is how often it is checked that Secrets still exist.
	whileResolved = 2 * time.Minute
	// whileGoing: something of an earlier object is still being deleted.
	whileGoing = 2 * time.Second
	// whileRefused: the API refuses an object, or it belongs to another.
	whileRefused = time.Minute
)

// phase is a step of a reconciliation.
type phase struct {
	// doing completes the sentence "the operator was …".
	doing string
	run   func(context.Context) error
}

// runPhases runs the phases in their order until one fails.
func runPhases(ctx context.Context, phases []phase) error {
	for _, p := range phases {
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.doing, err)
		}
	}
	return nil
}

// outcome is what an error of applying objects means.
type outcome struct {
	// failure for the status, nil where the status should not speak of it.
	failure *status.Failure
	// again is when to try again, where the time is known.
	again time.Duration
	// err is returned, so that it is tried again with growing pauses.
	err error
}

func judge(err error) outcome {
	switch {
	case err == nil:
		return outcome{}
	case apierrors.IsConflict(err):
		return outcome{again: afterConflict}
	case errors.Is(err, apply.ErrGoing):
		return outcome{failure: &status.Failure{Message: message(err)}, again: whileGoing}
	case errors.Is(err, apply.ErrForeign), apierrors.IsInvalid(err), apierrors.IsBadRequest(err),
		apierrors.IsRequestEntityTooLargeError(err):
		return outcome{failure: &status.Failure{Message: message(err), Permanent: true}, again: whileRefused}
	default:
		return outcome{failure: &status.Failure{Message: message(err)}, err: err}
	}
}

// message is the part of an error that a user of the cluster understands: the
// object and what the API said.
func message(err error) string {
	if object, ok := errors.AsType[*apply.ObjectError](err); ok {
		return object.Error()
	}
	return err.Error()
}

// sooner returns the earlier of two times, where 0 means never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// notFoundIsFine: an object that is gone needs nothing more.
func notFoundIsFine(err error) error {
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the object: %w", err)
	}
	return nil
}

func requeue(after time.Duration) ctrl.Result { return ctrl.Result{RequeueAfter: after} }
