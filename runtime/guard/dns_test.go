package guard

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a resolver of our own. A name may have several answers; each
// lookup takes the next one, and the last one stays.
type nameServer struct {
	mu      sync.Mutex
	answers map[string][]netip.Addr
}

func startNameServer(t *testing.T) (*nameServer, *net.Resolver) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listening for names: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	server := &nameServer{answers: map[string][]netip.Addr{}}
	go server.serve(conn)
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp4", conn.LocalAddr().String())
		},
	}
	return server, resolver
}

func (s *nameServer) set(name string, addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[strings.ToLower(strings.TrimSuffix(name, "."))+"."] = addrs
}

func (s *nameServer) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := s.reply(buf[:n]); err == nil {
			if _, err := conn.WriteTo(reply, from); err != nil {
				return
			}
		}
	}
}

func (s *nameServer) reply(query []byte) ([]byte, error) {
	var msg dnsmessage.Message
	if err := msg.Unpack(query); err != nil {
		return nil, err
	}
	msg.Response, msg.Authoritative = true, true
	msg.Additionals = nil
	question := msg.Questions[0]
	addr, known := s.next(question)
	if !known {
		msg.RCode = dnsmessage.RCodeNameError
		return msg.Pack()
	}
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, Type: question.Type}
	switch {
	case question.Type == dnsmessage.TypeA && addr.Is4():
		msg.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}}}
	case question.Type == dnsmessage.TypeAAAA && addr.Is6():
		msg.Answers = []dnsmessage.Resource{{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
	}
	return msg.Pack()
}

// next gives the answer of this lookup. A lookup asks for A and AAAA; the A
// question moves the name on to its next answer.
func (s *nameServer) next(q dnsmessage.Question) (netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToLower(q.Name.String())
	addrs := s.answers[name]
	if len(addrs) == 0 {
		return netip.Addr{}, false
	}
	addr := addrs[0]
	if len(addrs) > 1 && q.Type == dnsmessage.TypeA {
		s.answers[name] = addrs[1:]
	}
	return addr, true
}
