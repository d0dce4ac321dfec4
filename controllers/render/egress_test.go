package render

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
)

func TestEffectiveEgress(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason          string
		flow, workspace []string
		want            []string
	}{
		"NothingAllowed":  {"a workspace that allows nothing wins", []string{"10.0.0.1"}, nil, nil},
		"NothingAsked":    {"a flow that asks for nothing gets nothing", nil, []string{"10.0.0.0/8"}, nil},
		"Same":            {"the same text counts, in any case of letters", []string{"DB.example"}, []string{"db.EXAMPLE"}, []string{"DB.example"}},
		"Inside":          {"an address inside an allowed range counts", []string{"10.1.2.3"}, []string{"10.1.0.0/16"}, []string{"10.1.2.3"}},
		"Wider":           {"a wider range than the allowed one does not", []string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, nil},
		"Beside":          {"a range beside the allowed one does not", []string{"10.2.0.0/16"}, []string{"10.1.0.0/16"}, nil},
		"OtherFamily":     {"an IPv6 range is not inside an IPv4 one", []string{"::/0"}, []string{"0.0.0.0/0"}, nil},
		"Wildcard":        {"a wildcard covers the names under it", []string{"a.b.example"}, []string{"*.b.example"}, []string{"a.b.example"}},
		"WildcardItself":  {"a wildcard does not cover the name itself", []string{"b.example"}, []string{"*.b.example"}, nil},
		"WildcardSuffix":  {"a wildcard ends at a dot", []string{"evilb.example"}, []string{"*.b.example"}, nil},
		"NarrowWildcard":  {"a narrower wildcard is covered", []string{"*.a.b.example"}, []string{"*.b.example"}, []string{"*.a.b.example"}},
		"WiderWildcard":   {"a wider wildcard is not", []string{"*.example"}, []string{"*.b.example"}, nil},
		"EverythingAlone": {"a bare wildcard allows no names", []string{"a.example"}, []string{"*."}, nil},
		"Order":           {"the flow's order stays", []string{"b", "x", "a"}, []string{"a", "b"}, []string{"b", "a"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := EffectiveEgress(&v1alpha1.Egress{Allow: tc.flow}, &v1alpha1.Egress{Allow: tc.workspace})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
	if got := EffectiveEgress(nil, nil); got != nil {
		t.Errorf("without lists nothing is allowed, got %v", got)
	}
}

// TestPrivateRangesAreExcluded keeps promise N5 as far as a NetworkPolicy can:
// no address of the ranges below is in what the rendered policy opens.
func TestPrivateRangesAreExcluded(t *testing.T) {
	t.Parallel()
	closed := []string{
		"10.0.0.1", "10.96.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.0.192", "198.18.0.1",
		"::1", "::", "::ffff:10.0.0.1", "64:ff9b::a00:1", "fd00::1", "fe80::1", "ff02::1", "2002:a00:1::1", "fec0::1",
	}
	open := []string{"1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700:4700::1111"}
	for _, address := range closed {
		if opened(t, address) {
			t.Errorf("%s can be reached", address)
		}
	}
	for _, address := range open {
		if !opened(t, address) {
			t.Errorf("%s cannot be reached", address)
		}
	}
}

func opened(t *testing.T, address string) bool {
	t.Helper()
	ip := netip.MustParseAddr(address)
	for _, rule := range egressRules(options(), nil) {
		for _, peer := range rule.To {
			if peer.IPBlock == nil || !netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(ip) {
				continue
			}
			excluded := false
			for _, except := range peer.IPBlock.Except {
				excluded = excluded || inRange(except, ip)
			}
			if !excluded {
				return true
			}
		}
	}
	return false
}

// inRange compares bit by bit, also for IPv4 addresses mapped into IPv6, which
// netip keeps apart.
func inRange(cidr string, ip netip.Addr) bool {
	prefix := netip.MustParsePrefix(cidr)
	if prefix.Addr().Is4() != ip.Is4() {
		return false
	}
	masked, err := netip.AddrFrom16(ip.As16()).Prefix(bits(prefix))
	if err != nil {
		return false
	}
	base, err := netip.AddrFrom16(prefix.Addr().As16()).Prefix(bits(prefix))
	return err == nil && masked == base
}

func bits(prefix netip.Prefix) int {
	if prefix.Addr().Is4() {
		return prefix.Bits() + 96
	}
	return prefix.Bits()
}
