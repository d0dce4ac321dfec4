package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	requestIDHeader = "X-Request-Id"
	// idleTimeout is less than that of the runtime, so that no request meets a
	// connection that is being closed.
	idleTimeout = time.Minute
	copyBuffer  = 32 << 10
)

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("gateway: a request without its exchange") // a defect of this package
	}
	return x
}

// newTransport returns the transport to pods: no proxy from the environment,
// no compression of its own, connections kept.
func newTransport(c Config) *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: c.DialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		DisableCompression:     true,
		MaxIdleConns:           4096,
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: int64(c.MaxHeaderBytes),
		WriteBufferSize:        8 << 10,
		ReadBufferSize:         8 << 10,
	}
}

func (g *Gateway) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        g.rewrite,
		Transport:      &retrier{next: g.transport, wait: g.config.EndpointWait, retried: g.metrics.retries.Inc},
		FlushInterval:  -1,
		ModifyResponse: g.modifyResponse,
		ErrorHandler:   g.proxyError,
		BufferPool:     newBufferPool(),
		ErrorLog:       slog.NewLogLogger(g.deps.Log.Handler(), slog.LevelDebug),
	}
}

// credentials are the headers that a caller is known by. They end here: the
// runtime gets a request token in their place.
var credentials = []string{"Authorization", "Proxy-Authorization", APIKeyHeader, "Cookie", "Cookie2"}

// rewrite makes the request for the pod out of the caller's. httputil has
// already dropped the hop-by-hop headers, and those that Connection lists, so
// that nothing set here can be dropped by a caller's wish.
func (g *Gateway) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	out := pr.Out
	out.URL.Scheme, out.URL.Host = "http", "pod" // the retrier chooses the pod
	out.URL.Path, out.URL.RawPath = x.target.Path, ""
	out.Host = x.target.Host
	out.Trailer = nil
	// Again, for headers that the copy could have gained.
	request.StripReserved(out.Header)
	for _, h := range credentials {
		delete(out.Header, http.CanonicalHeaderKey(h))
	}
	for _, h := range []string{"Connection", "Upgrade", "Te", "Trailer", "Expect", "Referer"} {
		delete(out.Header, h)
	}
	out.Header.Set(requesttoken.Header, x.token)
	out.Header.Set(requestIDHeader, x.id)
}

// modifyResponse drops what a pod must not tell, and what only the gateway may
// say: all flows share one origin, so none of them may set cookies or policies
// for it.
func (g *Gateway) modifyResponse(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	if refusedToken(res) {
		return errTokenRefused
	}
	for h := range res.Header {
		if internalHeader(h) {
			delete(res.Header, h)
		}
	}
	if res.Header.Get("Cache-Control") == "" {
		res.Header.Set("Cache-Control", "no-store")
	}
	g.setHeaders(x, res.Header)
	x.status = res.StatusCode
	if res.StatusCode >= http.StatusBadRequest {
		x.code = "Flow"
	}
	return nil
}

var errTokenRefused = errors.New("the pod refused the request token")

// refusedToken tells a pod that does not believe us (its keys are behind ours,
// or it serves an earlier flow of that name) from a flow that answers 401.
func refusedToken(res *http.Response) bool {
	return res.StatusCode == http.StatusUnauthorized && res.Header.Get("Www-Authenticate") == requesttoken.Header
}

func internalHeader(h string) bool {
	switch h {
	case "Server", "X-Powered-By", "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data",
		"Service-Worker-Allowed", "Refresh", "Vary", "Public-Key-Pins", "Report-To", "Nel", "Reporting-Endpoints",
		"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset":
		return true
	}
	return strings.HasPrefix(h, "Access-Control-") || request.IsReservedHeader(h)
}

// proxyError answers a request that no pod answered.
func (g *Gateway) proxyError(_ http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	g.refuse(x, answerFor(r.Context(), x, err))
}

func answerFor(ctx context.Context, x *exchange, err error) *answer {
	var tooMany *http.MaxBytesError
	switch {
	case errors.As(err, &tooMany):
		return tooLarge(tooMany.Limit)
	case x.body.failed() != nil:
		if errors.As(x.body.failed(), &tooMany) {
			return tooLarge(tooMany.Limit)
		}
		return badBody(x.body.failed())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timedOut(err)
	case ctx.Err() != nil:
		return canceled()
	case errors.Is(err, errNoEndpoints), isDialError(err), errors.Is(err, errTokenRefused):
		return noEndpoints(err)
	}
	return badGateway(err)
}

// bufferPool lends the buffers through which answers flow.
type bufferPool struct{ pool sync.Pool }

func newBufferPool() *bufferPool {
	return &bufferPool{pool: sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

// Get lends a buffer.
func (p *bufferPool) Get() []byte {
	b, ok := p.pool.Get().(*[copyBuffer]byte)
	if !ok {
		b = new([copyBuffer]byte)
	}
	return b[:]
}

// Put takes a buffer back.
func (p *bufferPool) Put(b []byte) {
	if cap(b) >= copyBuffer {
		p.pool.Put((*[copyBuffer]byte)(b[:copyBuffer]))
	}
}

// countedBody counts what flows through an answer, and tells of its end.
type countedBody struct {
	io.ReadCloser
	count *int64
	done  func()
	once  sync.Once
}

// Read reads and counts.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	*b.count += int64(n)
	return n, err
}

// Close closes and tells.
func (b *countedBody) Close() error {
	b.once.Do(b.done)
	return b.ReadCloser.Close()
}
