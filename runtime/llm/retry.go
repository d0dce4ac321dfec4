package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Retry says how often, and after how long, a request is sent again that the
// service was too busy for.
type Retry struct {
	// Attempts in all.
	Attempts int
	// Base of the waiting time: a random part of it before the second attempt,
	// doubled for each further one.
	Base time.Duration
	// MaxWait is the longest that a service's own Retry-After is obeyed. Where
	// it asks for more, the request fails at once.
	MaxWait time.Duration
}

// DefaultRetry suits a person who waits for the answer.
func DefaultRetry() Retry {
	return Retry{Attempts: 3, Base: 500 * time.Millisecond, MaxWait: 20 * time.Second}
}

// maxErrorBody bounds how much of a service's error is read.
const maxErrorBody = 64 << 10

// retrier is an HTTP client that tries again. It is made for one request, and
// remembers how long the service asked to wait in the end.
type retrier struct {
	client     *http.Client
	policy     Retry
	retryAfter time.Duration
}

// Do sends the request until there is an answer that a further attempt would
// not better.
func (r *retrier) Do(req *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := r.send(req, attempt)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode < http.StatusBadRequest {
			return resp, nil
		}
		if err := buffer(resp); err != nil {
			return nil, err
		}
		r.retryAfter = retryAfter(resp.Header, time.Now())
		wait := r.wait(attempt)
		if attempt >= r.policy.Attempts || !transient(resp) || !fits(req.Context(), wait, r.policy.MaxWait) {
			return resp, nil
		}
		if err := pause(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

func (r *retrier) send(req *http.Request, attempt int) (*http.Response, error) {
	if attempt > 1 && req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("reading the request again: %w", err)
		}
		req = req.Clone(req.Context())
		req.Body = body
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the model: %w", err)
	}
	return resp, nil
}

// wait is what the service asked for, or a random time that doubles.
func (r *retrier) wait(attempt int) time.Duration {
	if r.retryAfter > 0 {
		return r.retryAfter
	}
	limit := r.policy.Base << (attempt - 1)
	return limit/2 + rand.N(limit/2+1)
}

// buffer reads the body of an error, which is looked at twice, and frees the
// connection.
func buffer(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("reading the service's error: %w", err)
	}
	resp.Body = &rereadable{Reader: bytes.NewReader(body), data: body}
	return nil
}

type rereadable struct {
	*bytes.Reader
	data []byte
}

// Close does nothing: the connection is free already.
func (*rereadable) Close() error { return nil }

// transient says whether the service might answer the same request later. A
// used-up credit comes as 429 too, and does not refill by waiting.
func transient(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		return !noCredit(resp)
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, statusOverloaded:
		return true
	}
	return false
}

// statusOverloaded is used by several model services beside the registered
// codes.
const statusOverloaded = 529

func noCredit(resp *http.Response) bool {
	body, ok := resp.Body.(*rereadable)
	if !ok {
		return false
	}
	var reply struct {
		Error struct {
			Code any    `json:"code"`
			Type string `json:"type"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body.data, &reply); err != nil {
		return false
	}
	return reply.Error.Code == codeNoCredit || reply.Error.Type == codeNoCredit
}

// retryAfter reads the header Retry-After: seconds, or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if seconds <= 0 || seconds > 24*60*60 {
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// fits says whether there is time to wait and to ask again.
func fits(ctx context.Context, wait, limit time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return wait <= limit && (!ok || time.Until(deadline) > wait)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
