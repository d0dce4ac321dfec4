package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

const dialTimeout = 10 * time.Second

// dialer connects to addresses that may be reached, and to nothing else.
type dialer struct {
	allow    AllowList
	resolver *net.Resolver
	// public lets the public internet and listed ranges pass.
	public *ssrf.Guardian
	// named lets private networks pass too: it judges connections to host
	// names that are listed. Loopback, link-local (where clouds keep their
	// metadata) and multicast stay closed unless the range itself is listed.
	named *ssrf.Guardian
}

func newDialer(allow AllowList, resolver *net.Resolver) *dialer {
	v4, v6 := allow.split()
	return &dialer{
		allow:    allow,
		resolver: resolver,
		public:   newGuardian(v4, v6),
		named:    newGuardian(slices.Concat(v4, privateV4()), slices.Concat(v6, privateV6())),
	}
}

func newGuardian(v4, v6 []netip.Prefix) *ssrf.Guardian {
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

func privateV4() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"),
	}
}

func privateV6() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("fc00::/7")}
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, blocked(err)
	}
	guardian := d.public
	if d.allow.hasHost(host) {
		guardian = d.named
	}
	nd := net.Dialer{
		Timeout:  dialTimeout,
		Resolver: d.resolver,
		Control: func(network, address string, _ syscall.RawConn) error {
			return check(guardian, network, address)
		},
	}
	conn, err := nd.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

// check runs between the creation of the socket and its connection, once for
// each address that the name resolved to.
func check(guardian *ssrf.Guardian, network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return blocked(errors.New("network " + network))
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return blocked(err)
	}
	if err := guardian.SafeAddr(target.Addr().Unmap().WithZone("")); err != nil {
		return blocked(err)
	}
	return nil
}

func blocked(cause error) error {
	return &catalog.Error{
		Code: v1alpha1.ErrorBlocked,
		Message: "This address is not on the public internet, and the workspace does not allow it. " +
			"Use a public address, or ask the owner of the workspace to add it to egress.allow.",
		Cause: cause,
	}
}
