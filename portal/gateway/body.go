package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// maxHeld bounds the bytes of all bodies that are held in memory.
const maxHeld = 32 << 20

// requestBody is the body of a request on its way to a pod: nothing, a small
// one in memory that can be sent again, or a stream that can be sent once.
type requestBody struct {
	small  []byte
	held   int64 // bytes reserved for small
	stream *stream
}

// bodyTaken reads a small body, so that it can be sent to a second pod, and
// bounds a large one.
func (g *Gateway) bodyTaken(x *exchange) error {
	x.timeout = x.flow.runTimeout + g.config.ResponseGrace
	length := x.r.ContentLength
	if length == 0 {
		return nil
	}
	if err := g.readDeadline(x, time.Now().Add(g.config.BodyTimeout)); err != nil {
		return err
	}
	if length < 0 || length > g.config.ReplayBytes || !g.hold(x, length) {
		x.timeout += g.config.BodyTimeout
		x.body.stream = &stream{
			src: http.MaxBytesReader(x.w, x.r.Body, x.flow.maxBody), read: &x.received,
			ended: func() { g.deadlineError(x, g.readDeadline(x, time.Time{})) },
		}
		x.r.Body = x.body.stream
		return nil
	}
	// The buffer grows with what arrives, not with what is announced.
	var buffer bytes.Buffer
	n, err := io.CopyN(&buffer, x.r.Body, length)
	x.received.Store(n)
	if err != nil {
		if x.r.Context().Err() != nil {
			return canceled()
		}
		return badBody(err)
	}
	x.body.small = buffer.Bytes()
	x.r.Body = io.NopCloser(bytes.NewReader(x.body.small))
	return g.readDeadline(x, time.Time{})
}

// hold reserves memory for a body. Where too much is held already, the body is
// a stream, which costs nothing but the second attempt.
func (g *Gateway) hold(x *exchange, length int64) bool {
	if g.held.Add(length) > maxHeld {
		g.held.Add(-length)
		return false
	}
	x.body.held = length
	return true
}

// letGo gives back what hold reserved.
func (g *Gateway) letGo(x *exchange) { g.held.Add(-x.body.held) }

// readDeadline bounds how long the client may take. A server that cannot do so
// (a recorder in a test) is none that a slow client could hold up.
func (g *Gateway) readDeadline(x *exchange, at time.Time) error {
	err := http.NewResponseController(x.w).SetReadDeadline(at)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bounding the time for a request's body: %w", err)
	}
	return nil
}

// deadlineError logs what can only be logged: a deadline that stays ends the
// connection, which the client will open again.
func (g *Gateway) deadlineError(x *exchange, err error) {
	if err != nil {
		g.deps.Log.DebugContext(x.r.Context(), "lifting a deadline", "request", x.id, "error", err)
	}
}

// canResend tells whether the body can be sent once more.
func (b *requestBody) canResend() bool { return b.stream == nil }

// untouched tells whether nothing of the body has been read.
func (b *requestBody) untouched() bool { return b.stream == nil || !b.stream.started.Load() }

// failed returns the error that reading the body from the client ended with.
func (b *requestBody) failed() error {
	if b.stream == nil {
		return nil
	}
	if err := b.stream.err.Load(); err != nil {
		return *err
	}
	return nil
}

// attempt gives a request its body for one more attempt.
func (b *requestBody) attempt(r *http.Request) {
	switch {
	case b.stream != nil:
		r.Body = io.NopCloser(b.stream)
	case len(b.small) > 0:
		// With GetBody the transport itself tries once more where a kept
		// connection was closed before it wrote anything.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.small)), nil }
		r.Body = io.NopCloser(bytes.NewReader(b.small))
	default:
		r.Body = nil
	}
}

// stream is a body that can be read once.
type stream struct {
	src     io.ReadCloser
	read    *atomic.Int64
	ended   func()
	started atomic.Bool
	err     atomic.Pointer[error]
}

// Read reads on, and remembers that and how it failed.
func (s *stream) Read(p []byte) (int, error) {
	s.started.Store(true)
	n, err := s.src.Read(p)
	s.read.Add(int64(n))
	switch {
	case errors.Is(err, io.EOF):
		s.ended()
	case err != nil:
		s.err.Store(&err)
	}
	return n, err
}

// Close closes the client's body.
func (s *stream) Close() error { return s.src.Close() }
