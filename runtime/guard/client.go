package guard

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Defaults and bounds of a client.
const (
	// DefaultMaxResponseBytes bounds a response's body after decompression.
	DefaultMaxResponseBytes = 16 << 20
	// DefaultTimeout bounds a whole exchange. It equals the longest time that
	// a run may take; components end earlier by their own deadlines.
	DefaultTimeout = time.Hour

	maxResponseHeaderBytes = 64 << 10
	tlsHandshakeTimeout    = 10 * time.Second
	idleConnTimeout        = 90 * time.Second
	maxIdleConns           = 100
	maxIdleConnsPerHost    = 16
)

// Options of a client.
type Options struct {
	// Allow lists destinations outside of the public internet.
	Allow AllowList
	// Resolver of host names. Default: that of the system.
	Resolver *net.Resolver
	// MaxResponseBytes bounds a response's body after decompression.
	MaxResponseBytes int64
	// Timeout bounds a whole exchange, the reading of the body included.
	Timeout time.Duration
}

// WithDefaults returns the options with what is absent filled in.
func (o Options) WithDefaults() Options {
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.MaxResponseBytes <= 0 {
		o.MaxResponseBytes = DefaultMaxResponseBytes
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	return o
}

// NewClient returns a client that reaches the public internet and what Allow
// lists. It uses no proxy, follows no redirect unless FollowRedirects asks for
// it, and bounds time and sizes. Errors that it returns hold a *catalog.Error
// where a person can act on them; Explain makes one of any other.
func NewClient(o Options) *http.Client {
	o = o.WithDefaults()
	transport := &http.Transport{
		Proxy:                  nil,
		DialContext:            newDialer(o.Allow, o.Resolver).dial,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    tlsHandshakeTimeout,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConnsPerHost,
		IdleConnTimeout:        idleConnTimeout,
	}
	return &http.Client{
		Transport:     &boundedTransport{next: transport, maxBytes: o.MaxResponseBytes},
		CheckRedirect: checkRedirect,
		Timeout:       o.Timeout,
	}
}

type contextKey int

const (
	redirectsKey contextKey = iota
	maxBytesKey
)

// FollowRedirects returns a context whose requests follow up to max redirects.
// Each hop is dialled, and so checked, like a request of its own.
func FollowRedirects(ctx context.Context, limit int) context.Context {
	return context.WithValue(ctx, redirectsKey, limit)
}

// LimitResponse returns a context whose responses have at most limit bytes,
// where that is less than the client allows.
func LimitResponse(ctx context.Context, limit int64) context.Context {
	return context.WithValue(ctx, maxBytesKey, limit)
}
