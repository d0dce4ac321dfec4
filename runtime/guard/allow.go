package guard

import (
	"fmt"
	"net/netip"
	"strings"
)

// AllowList says which destinations outside of the public internet may be
// reached.
type AllowList struct {
	prefixes []netip.Prefix
	hosts    map[string]bool
	suffixes []string
}

// ParseAllowList reads entries that are an address, a range in CIDR notation, a
// host name, or *.name for every host below a name. Empty entries are skipped.
func ParseAllowList(entries []string) (AllowList, error) {
	list := AllowList{hosts: map[string]bool{}}
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if err := list.add(entry); err != nil {
			return AllowList{}, err
		}
	}
	return list, nil
}

func (l *AllowList) add(entry string) error {
	if prefix, ok := parsePrefix(entry); ok {
		l.prefixes = append(l.prefixes, prefix)
		return nil
	}
	name := canonicalHost(entry)
	if suffix, ok := strings.CutPrefix(name, "*."); ok {
		if !isHostName(suffix) {
			return badEntry(entry)
		}
		l.suffixes = append(l.suffixes, "."+suffix)
		return nil
	}
	if !isHostName(name) {
		return badEntry(entry)
	}
	l.hosts[name] = true
	return nil
}

func badEntry(entry string) error {
	return fmt.Errorf("egress entry %q is neither a host name, nor *.name, nor an address, nor a range such as 10.0.0.0/8", entry)
}

func parsePrefix(entry string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			return netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96).Masked(), true
		}
		return prefix.Masked(), true
	}
	addr, err := netip.ParseAddr(entry)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// isHostName accepts names whose last label is not a number: what is left is
// never read as an address by any resolver.
func isHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, labelLetters) != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

const labelLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

func canonicalHost(host string) string {
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func (l *AllowList) hasHost(host string) bool {
	host = canonicalHost(host)
	if l.hosts[host] {
		return true
	}
	for _, suffix := range l.suffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// split returns the ranges by family.
func (l *AllowList) split() (v4, v6 []netip.Prefix) {
	for _, prefix := range l.prefixes {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	return v4, v6
}
