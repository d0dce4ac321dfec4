package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// Explain turns an error of the client into one that a person can act on. The
// cause is kept without the address, which may hold values of the user.
func Explain(err error) *catalog.Error {
	if known, ok := errors.AsType[*catalog.Error](err); ok {
		return known
	}
	code, message := classify(err)
	return &catalog.Error{Code: code, Message: message, Cause: withoutURL(err)}
}

func classify(err error) (v1alpha1.ErrorCode, string) {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return v1alpha1.ErrorCanceled, "The run was stopped."
	case isTimeout(err):
		return v1alpha1.ErrorTimeout, "The service did not answer in time. Try again later, or allow this step more time."
	case errors.As(err, &dns):
		return v1alpha1.ErrorUpstream, "There is no server of that name. Check the spelling of the address."
	case isTLS(err):
		return v1alpha1.ErrorUpstream, "The service's certificate is not valid for this address. Check the address, or tell its owner."
	case errors.As(err, &op) && op.Op == "dial":
		return v1alpha1.ErrorUpstream, "No connection to the service was possible. Check the address and that the service is running."
	default:
		return v1alpha1.ErrorUpstream, "The connection to the service broke off. Try again later."
	}
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		(errors.As(err, &timeout) && timeout.Timeout())
}

func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &verification) || errors.As(err, &record) ||
		errors.As(err, &host) || errors.As(err, &authority)
}

func withoutURL(err error) error {
	if withURL, ok := errors.AsType[*url.Error](err); ok {
		return withURL.Err
	}
	return err
}
