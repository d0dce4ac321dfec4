package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"syscall"
	"time"
)

const (
	// maxAttempts bounds how often a request is sent.
	maxAttempts = 6
	// firstBackoff is the pause before a pod is tried again; it doubles.
	firstBackoff = 25 * time.Millisecond
	// staleWindow is how soon a kept connection must fail to count as one that
	// the pod had already given up.
	staleWindow = time.Second
)

var errNoEndpoints = errors.New("no pod is ready")

// retrier chooses the pod for a request, and another one when the first did
// not take it, which happens while pods come and go: the connection is refused,
// or a kept connection turns out to be closed before a byte of an answer came.
// A request that a pod may have begun to work on is never sent twice.
type retrier struct {
	next    http.RoundTripper
	wait    time.Duration
	retried func()
}

// RoundTrip sends the request to a pod.
func (t *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ctx := exchangeOf(req.Context()), req.Context()
	var tried []*endpoint
	for pause := firstBackoff; ; pause *= 2 {
		pod := x.record.await(ctx, tried, t.wait)
		if pod == nil {
			return nil, errors.Join(errNoEndpoints, ctx.Err())
		}
		x.attempts++
		res, again, err := t.try(x, req, pod)
		if err == nil {
			return res, nil
		}
		if !again || x.attempts >= maxAttempts || ctx.Err() != nil {
			return nil, err
		}
		t.retried()
		tried = append(tried, pod)
		if !hasOther(x.record, tried) {
			x.record.pause(ctx, pause)
		}
	}
}

// try sends the request to one pod. again tells whether another one may get it.
func (t *retrier) try(x *exchange, req *http.Request, pod *endpoint) (res *http.Response, again bool, err error) {
	var kept bool
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused }}
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	url := *req.URL
	url.Host = pod.address
	out.URL = &url
	x.body.attempt(out)
	x.pod = pod.address

	pod.inFlight.Add(1)
	start := time.Now()
	res, err = t.next.RoundTrip(out)
	if err != nil {
		pod.inFlight.Add(-1)
		return nil, mayRetry(x, err, kept && time.Since(start) < staleWindow), err
	}
	res.Request = req
	res.Body = &countedBody{ReadCloser: res.Body, count: &x.sent, done: func() { pod.inFlight.Add(-1) }}
	return res, false, nil
}

// mayRetry tells whether a failed attempt left nothing behind. stale is for a
// kept connection that failed at once.
func mayRetry(x *exchange, err error, stale bool) bool {
	if isDialError(err) {
		return x.body.untouched()
	}
	return stale && isClosed(err) && x.body.canResend()
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isClosed tells whether the other side had closed the connection.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func hasOther(r *record, tried []*endpoint) bool {
	return len(without(*r.endpoints.Load(), tried)) > 0
}

// pause waits for a change of the pods, for at most as long as given.
func (r *record) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.onChange():
	case <-timer.C:
	case <-ctx.Done():
	}
}
