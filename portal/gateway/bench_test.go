package gateway_test

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/weft-run/weft/api/v1alpha1"
)

// rawPod answers every request with the same bytes and does nothing else, so
// that a benchmark measures the gateway and not the pod.
func rawPod(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(conn)
		}
	}()
	return l.Addr().String()
}

func answerAll(conn net.Conn) {
	defer conn.Close()
	const body = `{"success":"true","result":"Hello, world"}`
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// BenchmarkServeHTTP measures the handler with a real connection to a pod, but
// without one to a client.
func BenchmarkServeHTTP(b *testing.B) {
	cases := map[string]struct {
		header http.Header
		change func(*v1alpha1.Flow)
	}{
		"Key":       {bearer(helloKey), nil},
		"Token":     {bearer(ownerToken), nil},
		"Anonymous": {nil, nil},
		"Limited": {bearer(helloKey), func(f *v1alpha1.Flow) {
			most := int32(1_000_000)
			f.Spec.Exposure.RateLimit = &v1alpha1.RateLimit{RequestsPerMinute: &most, PerCallerPerMinute: &most}
		}},
	}
	for name, tc := range cases {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.serve(rawPod(b))
			w.public(tc.change)
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequest(http.MethodPost, "/f/acme/hello", nil)
					r.Body, r.ContentLength = io.NopCloser(&zeroes{n: 32}), 32
					maps.Copy(r.Header, tc.header)
					rec := httptest.NewRecorder()
					w.gateway.ServeHTTP(rec, r)
					if rec.Code != http.StatusOK && rec.Code != http.StatusTooManyRequests {
						b.Errorf("status %d", rec.Code)
					}
				}
			})
		})
	}
}

// zeroes is a body of n bytes.
type zeroes struct{ n int }

func (z *zeroes) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.n)
	clear(p[:n])
	z.n -= n
	return n, nil
}
