package guard

import (
	"io"
	"net/http"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
)

// boundedTransport refuses what is not plain HTTP and bounds response bodies.
// The bound counts bytes after decompression, which http.Transport does while
// the body is read: a small body that unpacks without end is cut off too.
type boundedTransport struct {
	next     http.RoundTripper
	maxBytes int64
}

// RoundTrip implements http.RoundTripper.
func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req); err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	limit := t.maxBytes
	if asked, ok := req.Context().Value(maxBytesKey).(int64); ok && asked < limit {
		limit = asked
	}
	resp.Body = &boundedBody{body: resp.Body, left: limit}
	return resp, nil
}

// CloseIdleConnections closes the connections that wait for a next request.
func (t *boundedTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func checkURL(req *http.Request) error {
	switch {
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return invalidURL("The address must start with https:// or http://.")
	case req.URL.User != nil:
		return invalidURL("The address must not hold a user name or password. Store them as a key and choose it under Credential.")
	case req.URL.Hostname() == "":
		return invalidURL("The address names no host. Write it in full, for example https://example.com/path.")
	}
	return nil
}

func invalidURL(message string) error {
	return &catalog.Error{Code: v1alpha1.ErrorBlocked, Message: message}
}

type boundedBody struct {
	body io.ReadCloser
	left int64
}

// Read reads up to the bound, and one byte more to know whether it is exceeded.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, tooLarge()
	}
	return n, err
}

// Close closes the body.
func (b *boundedBody) Close() error { return b.body.Close() }

func tooLarge() error {
	return &catalog.Error{
		Code:    v1alpha1.ErrorTooLarge,
		Message: "The service answered with more data than this step takes. Ask it for less, for example by a filter or a page size.",
	}
}
