package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rulesOf lists the limits that a request counts against, the caller's own
// first, so that one eager caller does not use up what all share.
func (g *Gateway) rulesOf(x *exchange) []rule {
	l := x.flow.limits
	orDefault(&l.PerCallerPerMinute, g.config.Limits.PerCallerPerMinute)
	orDefault(&l.PerMinute, g.config.Limits.PerMinute)
	orDefault(&l.PerDay, g.config.Limits.PerDay)
	if l == (Limits{}) {
		return nil
	}
	prefix := "weft:limit:{" + x.flow.uid + "}:"
	rules := make([]rule, 0, 3)
	if l.PerCallerPerMinute > 0 {
		rules = append(rules, rule{key: prefix + "c:" + g.callerID(x), limit: l.PerCallerPerMinute, what: "the limit per caller is " + perMinute(l.PerCallerPerMinute), label: "caller"})
	}
	if l.PerMinute > 0 {
		rules = append(rules, rule{key: prefix + "m", limit: l.PerMinute, what: "the limit of this flow is " + perMinute(l.PerMinute), label: "flow"})
	}
	if l.PerDay > 0 {
		date := g.deps.Now().UTC().Format(time.DateOnly)
		rules = append(rules, rule{key: prefix + "d:" + date, limit: l.PerDay, day: true, what: "the limit of this flow is " + strconv.FormatInt(l.PerDay, 10) + " per day", label: "day"})
	}
	return rules
}

func perMinute(n int64) string { return strconv.FormatInt(n, 10) + " per minute" }

// callerID names a caller in a limit's key: by id, or by a keyed hash of the
// address, which nobody without the key can turn back.
func (g *Gateway) callerID(x *exchange) string {
	if x.caller.kind != callerAnonymous {
		return x.caller.subject
	}
	mac := hmac.New(sha256.New, g.addressKey)
	mac.Write([]byte(g.address(x.r.RemoteAddr, x.forwarded).String()))
	return "a:" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// address returns the client's network: an IPv4 address, or the /64 of an IPv6
// one, of which every home has as many as it likes. X-Forwarded-For is read
// from the right and believed only as far as trusted proxies wrote it.
func (g *Gateway) address(remote string, forwarded []string) netip.Prefix {
	peer := parseAddress(remote)
	if !g.trusted(peer) {
		return network(peer)
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops[max(0, len(hops)-16):]) {
		addr := parseAddress(strings.TrimSpace(hop))
		if !addr.IsValid() {
			break
		}
		peer = addr
		if !g.trusted(addr) {
			break
		}
	}
	return network(peer)
}

func (g *Gateway) trusted(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(g.config.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseAddress reads an address, with or without a port. The zero Addr stands
// for everything else; all who have no address share it.
func parseAddress(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// setLimitHeaders tells the caller where the tightest limit stands.
func setLimitHeaders(h http.Header, v verdict) {
	if v.limit == 0 {
		return
	}
	h.Set("RateLimit-Limit", strconv.FormatInt(v.limit, 10))
	h.Set("RateLimit-Remaining", strconv.FormatInt(max(v.remaining, 0), 10))
	h.Set("RateLimit-Reset", seconds(max(v.reset, 0)))
}
