package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// CheckRanges fails when the machine already uses addresses that the cluster
// takes. Routes of a cluster of ours are no conflict.
func CheckRanges(ctx context.Context) error {
	_, exists, err := Owner()
	if err != nil || exists {
		return err
	}
	out, err := run.Output(ctx, run.Cmd{Name: "ip", Args: []string{"-4", "route", "show", "table", "all"}, Timeout: timeout})
	if err != nil {
		return err
	}
	if route, found := overlapping(string(out)); found {
		return fmt.Errorf("the cluster needs %s, but the machine has the route %q; remove that network, or set CLUSTER=current to use another cluster",
			strings.Join(ranges(), ", "), route)
	}
	return nil
}

// DropsForwarded says whether iptables drops what the machine forwards, which
// Docker and some firewalls leave behind. Pods could then not reach each other.
func DropsForwarded(ctx context.Context) (bool, error) {
	out, err := run.Output(ctx, run.Cmd{Name: "iptables-save", Args: []string{"-t", "filter"}, Timeout: timeout})
	return strings.Contains(string(out), ":FORWARD DROP "), err
}

func ranges() []string {
	return []string{layout.NodeAddress + "/32", layout.PodCIDR, layout.ServiceCIDR}
}

// overlapping returns the first route into one of the cluster's ranges. Routes
// that only contain a range, such as a default route, are less specific than
// the cluster's and do no harm.
func overlapping(routes string) (string, bool) {
	for line := range strings.Lines(routes) {
		destination, ok := destination(strings.Fields(line))
		if !ok {
			continue
		}
		taken := slices.ContainsFunc(ranges(), func(text string) bool {
			ours := netip.MustParsePrefix(text)
			return ours.Overlaps(destination) && destination.Bits() >= ours.Bits()
		})
		if taken {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

// destination reads the prefix of a route; its type may come first.
func destination(fields []string) (netip.Prefix, bool) {
	for _, field := range fields[:min(2, len(fields))] {
		if prefix, err := netip.ParsePrefix(field); err == nil {
			return prefix, true
		}
		if address, err := netip.ParseAddr(field); err == nil {
			return netip.PrefixFrom(address, address.BitLen()), true
		}
	}
	return netip.Prefix{}, false
}
