package flows

import (
	"errors"
	"net"
)

// isDial says whether a connection could not even be made.
func isDial(err error) bool {
	var operation *net.OpError
	var name *net.DNSError
	return errors.As(err, &name) || errors.As(err, &operation) && operation.Op == "dial"
}
