package request

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxHost bounds a host with its port, in bytes: 253 of a name, and a port.
const maxHost = 259

// NormalizeHost checks a Host header and returns it in small letters. A name,
// an IPv4 address or an IPv6 address in brackets passes, each with or without
// a port. NormalizeHost(h) == h for every h that it returned.
func NormalizeHost(host string) (string, error) {
	if host == "" || len(host) > maxHost {
		return "", fmt.Errorf("%w: no host, or a very long one", ErrAmbiguous)
	}
	host = asciiLower(host)
	if host[0] == '[' {
		if err := checkIPv6(host); err != nil {
			return "", err
		}
		return host, nil
	}
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && !validPort(port) {
		return "", fmt.Errorf("%w: bad port in the host", ErrAmbiguous)
	}
	if !validHostName(name) {
		return "", fmt.Errorf("%w: bad host name", ErrAmbiguous)
	}
	return host, nil
}

func checkIPv6(host string) error {
	address, port, ok := strings.Cut(host[1:], "]")
	if !ok || port != "" && (port[0] != ':' || !validPort(port[1:])) {
		return fmt.Errorf("%w: bad host", ErrAmbiguous)
	}
	if ip, err := netip.ParseAddr(address); err != nil || !ip.Is6() || ip.Zone() != "" {
		return fmt.Errorf("%w: bad IPv6 address in the host", ErrAmbiguous)
	}
	return nil
}

// validHostName takes letters, digits, hyphens and underscores between single
// dots. A dot at the end is refused: "example.org" and "example.org." are one
// host to DNS and two to everyone else.
func validHostName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// asciiLower does what strings.ToLower does, but leaves other letters alone:
// the Kelvin sign is not a k in a host name.
func asciiLower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if b[i] >= 'A' && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
