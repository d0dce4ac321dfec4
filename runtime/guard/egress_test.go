package guard

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// victim listens on every address of this machine and counts connections.
type victim struct {
	port     string
	accepted atomic.Int64
	seen     chan struct{}
}

func startVictim(t *testing.T) *victim {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatalf("reading the port: %v", err)
	}
	v := &victim{port: port, seen: make(chan struct{}, 1)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			v.accepted.Add(1)
			_ = conn.Close()
			select {
			case v.seen <- struct{}{}:
			default:
			}
		}
	}()
	return v
}

// prove fails the test unless the victim can be reached at all.
func (v *victim) prove(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+v.port)
	if err != nil {
		t.Fatalf("the victim cannot be reached, so that this test proves nothing: %v", err)
	}
	_ = conn.Close()
	<-v.seen
	v.accepted.Store(0)
}

// forbidden are addresses that no flow may reach: the first, the last or a
// well-known one of each special range.
func forbidden() []netip.Addr {
	var out []netip.Addr
	for _, text := range []string{
		"0.0.0.0", "0.0.0.1", "10.0.0.1", "10.96.0.1", "10.96.0.10", "10.255.255.255", "100.64.0.1", "100.100.100.200",
		"100.127.255.254", "127.0.0.1", "127.0.0.53", "127.127.127.127", "127.255.255.254", "169.254.0.1", "169.254.169.253",
		"169.254.169.254", "169.254.170.2", "172.16.0.1", "172.17.0.1", "172.31.255.255", "192.0.0.192", "192.168.0.1",
		"192.168.255.255", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	} {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

// spellings of one IPv4 address.
func spellings(a netip.Addr) []string {
	b := a.As4()
	number := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return []string{
		a.String(),
		a.String() + ".",
		fmt.Sprintf("%d", number),
		fmt.Sprintf("0x%08x", number),
		fmt.Sprintf("0%o", number),
		fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("%d.%d", b[0], number&0xffffff),
		fmt.Sprintf("[::ffff:%s]", a),
		fmt.Sprintf("[::ffff:%x:%x]", number>>16, number&0xffff),
		fmt.Sprintf("[::%s]", a),
		fmt.Sprintf("[64:ff9b::%s]", a),
		fmt.Sprintf("[64:ff9b:1::%s]", a),
		fmt.Sprintf("[2002:%x:%x::]", number>>16, number&0xffff),
		strings.Map(fullWidth, a.String()),
		strings.ReplaceAll(a.String(), ".", "。"),
	}
}

func fullWidth(r rune) rune {
	if r >= '0' && r <= '9' {
		return r - '0' + '０'
	}
	return r
}

func otherTargets() []string {
	return []string{
		"[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[fe80::1]", "[fe80::1%25lo]",
		"[fe80::1%251]", "[fc00::1]", "[fd00:ec2::254]", "[fdff:ffff::1]", "[ff02::1]", "[ff05::2]", "[2001::1]",
		"[2001:0:7f00:1::]", "[2001:db8::1]", "[3fff::1]", "[::ffff:0:127.0.0.1]", "[100::1]", "[fec0::1]", "[::1%25lo]",
		"localhost", "LOCALHOST", "LocalHost.", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "0", "0x0", "00", "127.1",
		"127.0.1", "127.000.000.001", "0x7f.1", "0177.1", "%31%32%37.0.0.1", "127.0.0.1%2f", "①②⑦.⓪.⓪.①", "loc\u00adalhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
		"example.com@127.0.0.1", "user:secret@127.0.0.1", "example.com:80@127.0.0.1", "127.0.0.1#@example.com",
		"127.0.0.1?@example.com", "example.com%40127.0.0.1", `example.com\@127.0.0.1`, `127.0.0.1\.example.com`, "a@b@127.0.0.1",
		"127.0.0.1;example.com", "127.0.0.1%00.example.com", " 127.0.0.1", "127.0.0.1%20",
	}
}

func metadataNames() map[string]string {
	return map[string]string{
		"metadata.google.internal": "169.254.169.254", "metadata": "169.254.169.254", "instance-data": "169.254.169.254",
		"metadata.internal": "100.100.100.200", "kubernetes.default.svc": "10.96.0.1",
		"kubernetes.default.svc.cluster.local": "10.96.0.1", "weft-postgres.weft-system.svc": "10.96.3.7",
		"weft-redis.weft-system": "10.96.3.8", "weft-portal.weft-system.svc": "10.96.3.9", "127.0.0.1.nip.io": "127.0.0.1",
		"localtest.me": "127.0.0.1", "spoofed.burpcollaborator.net": "127.0.0.1", "six.example.com": "::1",
		"mapped.example.com": "::ffff:127.0.0.1", "nat64.example.com": "64:ff9b::7f00:1", "linklocal.example.com": "fe80::1",
		"ula.example.com": "fd00::1",
	}
}

// targets are URLs at which the victim's port would be reached if a check
// failed.
func targets(names *nameServer, port string) []string {
	var out []string
	add := func(host string) { out = append(out, "http://"+host+":"+port+"/") }
	for i, addr := range forbidden() {
		for _, host := range spellings(addr) {
			add(host)
		}
		name := fmt.Sprintf("a%d.example.com", i)
		names.set(name, addr)
		add(name)
	}
	for _, host := range otherTargets() {
		add(host)
	}
	for name, addr := range metadataNames() {
		names.set(name, netip.MustParseAddr(addr))
		add(name)
	}
	return out
}

func TestNoForbiddenTargetIsReached(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	victim := startVictim(t)
	victim.prove(t)
	names, resolver := startNameServer(t)
	client := NewClient(Options{Resolver: resolver})
	list := targets(names, victim.port)
	if len(list) < 150 {
		t.Fatalf("only %d targets, want 150 at least", len(list))
	}
	for _, target := range list {
		resp, err := client.Get(target)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: answered with %s", target, resp.Status)
			continue
		}
		if isLiteral(target) && codeOf(err) != v1alpha1.ErrorBlocked {
			t.Errorf("%s: got %v, want it to be blocked", target, err)
		}
	}
	if n := victim.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want 0 of %d targets", n, len(list))
	}
	t.Logf("%d targets, 0 connections", len(list))
}

// isLiteral says whether the URL holds an address in the usual spelling, or a
// name that the test's server knows: these must be refused for what they are,
// not by the accident that no name server knows them.
func isLiteral(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.User != nil {
		return false
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return true
	}
	return strings.HasSuffix(u.Hostname(), ".example.com") && !strings.ContainsAny(u.Host, `\%`)
}

func codeOf(err error) v1alpha1.ErrorCode {
	if e, ok := errors.AsType[*catalog.Error](err); ok {
		return e.Code
	}
	return ""
}

// loopbackServer serves on another loopback address, which the tests allow: it
// stands for a server on the public internet.
func loopbackServer(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", publicStandIn+":0")
	if err != nil {
		t.Skipf("this system has no second loopback address: %v", err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return server
}

const publicStandIn = "127.0.0.2"

func mustAllow(t *testing.T, entries ...string) AllowList {
	t.Helper()
	allow, err := ParseAllowList(entries)
	if err != nil {
		t.Fatalf("reading the allow-list: %v", err)
	}
	return allow
}

func TestNoRedirectLeadsInside(t *testing.T) {
	t.Parallel()
	victim := startVictim(t)
	victim.prove(t)
	names, resolver := startNameServer(t)
	server := loopbackServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	}))
	client := NewClient(Options{Resolver: resolver, Allow: mustAllow(t, publicStandIn)})
	list := targets(names, victim.port)
	for _, target := range list {
		hop := server.URL + "/?to=" + url.QueryEscape(target)
		chain := server.URL + "/?to=" + url.QueryEscape(hop)
		for _, start := range []string{hop, chain} {
			req, err := http.NewRequestWithContext(FollowRedirects(t.Context(), 5), http.MethodGet, start, nil)
			if err != nil {
				t.Fatalf("making the request: %v", err)
			}
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Errorf("redirect to %s: answered with %s", target, resp.Status)
			}
		}
	}
	if n := victim.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want 0 of %d redirects", n, 2*len(list))
	}
}

func TestRebindingDoesNotLeadInside(t *testing.T) {
	t.Parallel()
	victim := startVictim(t)
	victim.prove(t)
	names, resolver := startNameServer(t)
	client := NewClient(Options{Resolver: resolver, Allow: mustAllow(t, publicStandIn)})
	good := netip.MustParseAddr(publicStandIn)
	for i, evil := range forbidden() {
		name := fmt.Sprintf("rebind%d.example.com", i)
		// The name server says something harmless once, then the target; the
		// victim's port is open on the harmless address too, but not asked
		// for: the first lookup is made here, as an early check would do.
		names.set(name, good, evil)
		if _, err := resolver.LookupNetIP(t.Context(), "ip", name); err != nil {
			t.Fatalf("first lookup of %s: %v", name, err)
		}
		resp, err := client.Get("http://" + name + ":" + victim.port + "/")
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s became %s and answered with %s", name, evil, resp.Status)
		} else if codeOf(err) != v1alpha1.ErrorBlocked {
			t.Errorf("%s became %s: got %v, want it to be blocked", name, evil, err)
		}
	}
	if n := victim.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want 0", n)
	}
}

func TestOwnAddressesOfTheMachineAreClosed(t *testing.T) {
	t.Parallel()
	victim := startVictim(t)
	victim.prove(t)
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatalf("listing the machine's addresses: %v", err)
	}
	client := NewClient(Options{})
	for _, addr := range addrs {
		prefix, err := netip.ParsePrefix(addr.String())
		if err != nil || !inside(prefix.Addr()) {
			continue
		}
		if resp, err := client.Get("http://" + net.JoinHostPort(prefix.Addr().String(), victim.port)); err == nil {
			_ = resp.Body.Close()
		}
	}
	if n := victim.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want 0", n)
	}
}

func inside(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() }

func TestListedDestinations(t *testing.T) {
	t.Parallel()
	server := loopbackServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatalf("reading the port: %v", err)
	}
	cases := map[string]struct {
		reason string
		allow  []string
		host   string
		code   v1alpha1.ErrorCode
	}{
		"address":         {"A listed address is open.", []string{publicStandIn}, publicStandIn, ""},
		"range":           {"Every address of a listed range is open.", []string{"127.0.0.0/8"}, publicStandIn, ""},
		"mapped range":    {"A range may be written in its IPv6 form.", []string{"::ffff:127.0.0.0/104"}, publicStandIn, ""},
		"mapped spelling": {"Another spelling of a listed address is the same address.", []string{publicStandIn}, "[::ffff:127.0.0.2]", ""},
		"name of a listed address": {"A name that leads to a listed address is open.",
			[]string{publicStandIn}, "in.example.com", ""},
		"listed name, loopback": {"A listed name opens private networks only, not loopback or metadata addresses.",
			[]string{"in.example.com"}, "in.example.com", v1alpha1.ErrorBlocked},
		"other address": {"Nothing beside the list is open.", []string{"127.0.0.3"}, publicStandIn, v1alpha1.ErrorBlocked},
		"empty":         {"An empty list opens nothing.", []string{"", " "}, publicStandIn, v1alpha1.ErrorBlocked},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			names, resolver := startNameServer(t)
			names.set("in.example.com", netip.MustParseAddr(publicStandIn))
			client := NewClient(Options{Allow: mustAllow(t, tc.allow...), Resolver: resolver})
			resp, err := client.Get("http://" + tc.host + ":" + port)
			if err == nil {
				_ = resp.Body.Close()
			}
			if got := codeOf(err); got != tc.code || (tc.code == "" && err != nil) {
				t.Errorf("%s\nallow %v, host %s: got %v, want code %q", tc.reason, tc.allow, tc.host, err, tc.code)
			}
		})
	}
}

func TestListedNamesOpenPrivateNetworks(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		host   string
		addr   string
		open   bool
	}{
		"listed":          {"A listed name opens private ranges.", "db.example.com", "10.96.0.7:80", true},
		"listed, upper":   {"Names are compared without regard to case or final dot.", "DB.Example.com.", "10.96.0.7:80", true},
		"below a suffix":  {"*.name opens every host below it.", "a.b.internal", "192.168.7.7:80", true},
		"listed, ula":     {"Private IPv6 ranges are open too.", "db.example.com", "[fd00::7]:80", true},
		"suffix itself":   {"*.name does not mean name.", "internal", "10.96.0.7:80", false},
		"look-alike":      {"A name that merely ends alike is another one.", "evildb.example.com", "10.96.0.7:80", false},
		"not listed":      {"Other names open nothing.", "x.example.com", "10.96.0.7:80", false},
		"metadata":        {"No name opens the metadata address.", "db.example.com", "169.254.169.254:80", false},
		"loopback":        {"No name opens loopback.", "db.example.com", "127.0.0.1:80", false},
		"unspecified":     {"No name opens 0.0.0.0.", "db.example.com", "0.0.0.0:80", false},
		"public internet": {"Any name may lead to the public internet.", "x.example.com", "93.184.216.34:80", true},
	}
	d := newDialer(mustAllow(t, "db.example.com", "*.internal"), net.DefaultResolver)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guardian := d.public
			if d.allow.hasHost(tc.host) {
				guardian = d.named
			}
			if err := check(guardian, "tcp4", tc.addr); (err == nil) != tc.open {
				t.Errorf("%s\n%s at %s: got %v, want open=%v", tc.reason, tc.host, tc.addr, err, tc.open)
			}
		})
	}
}

func TestOnlyTCP(t *testing.T) {
	t.Parallel()
	d := newDialer(mustAllow(t, "127.0.0.0/8"), net.DefaultResolver)
	for _, network := range []string{"unix", "unixgram", "udp4", "udp6", "ip4:icmp"} {
		if err := check(d.public, network, "127.0.0.1:80"); codeOf(err) != v1alpha1.ErrorBlocked {
			t.Errorf("network %s: got %v, want it to be blocked", network, err)
		}
	}
	conn, err := d.dial(t.Context(), "unix", "/var/run/docker.sock:1")
	if err == nil {
		_ = conn.Close()
		t.Error("a unix socket was dialled")
	}
}

func TestBadAllowListEntries(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"http://example.com", "10.0.0.0/33", "*", "*.*", "exa mple.com", "127.1", "0x7f000001", "2130706433", "a..b", "host:80", "fe80::1%lo", "-/8"} {
		if _, err := ParseAllowList([]string{entry}); err == nil || !strings.Contains(err.Error(), entry) {
			t.Errorf("entry %q: got %v, want an error that names it", entry, err)
		}
	}
}
