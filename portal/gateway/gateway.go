// Package gateway is the front door of every exposed flow. A request is read
// once, its look-alike headers are dropped, its caller is found and allowed or
// not, limits are counted, a signed request token is minted, and the request is
// passed to a pod of the flow. Nothing of it is kept.
package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// Store answers whose an endpoint key is and what a user may do. *store.Store
// is one.
type Store interface {
	Keys
	Members
}

// Deps is what the gateway needs of others.
type Deps struct {
	// Directory knows the flows and their pods.
	Directory *Directory
	// Users verifies access tokens.
	Users identity.Verifier
	// Store knows endpoint keys and members.
	Store Store
	// Cluster verifies Kubernetes tokens. Nil: such tokens are not accepted.
	Cluster Cluster
	// Redis shares the limits between gateways. Nil: each keeps its share.
	Redis redis.UniversalClient
	// SigningKey signs request tokens.
	SigningKey ed25519.PrivateKey
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	// Log for events; never for what callers send.
	Log *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (d Deps) validate() error {
	switch {
	case d.Directory == nil, d.Users == nil, d.Store == nil, d.Registerer == nil, d.Log == nil:
		return errors.New("gateway: Directory, Users, Store, Registerer and Log are required")
	}
	return nil
}

// Gateway is the front door. It is an http.Handler; Run does its work beside
// the requests.
type Gateway struct {
	config     Config
	deps       Deps
	addressKey []byte
	limiter    *limiter
	minter     *minter
	keys       *memo[[sha256.Size]byte, *store.EndpointKey]
	users      *memo[[sha256.Size]byte, uuid.UUID]
	roles      *memo[membership, standing]
	reviews    *memo[[sha256.Size]byte, *ClusterUser]
	rights     *memo[clusterRight, bool]
	proxy      *httputil.ReverseProxy
	transport  *http.Transport
	metrics    *metrics
	access     *accessLog
	touches    *touches
	inFlight   atomic.Int64
	held       atomic.Int64 // bytes of bodies in memory
}

// New returns a Gateway.
func New(config Config, deps Deps) (*Gateway, error) {
	config = config.WithDefaults()
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if err := errors.Join(config.Validate(), deps.validate()); err != nil {
		return nil, err
	}
	signer, err := requesttoken.NewSigner(deps.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	addressKey, err := hkdf.Key(sha256.New, deps.SigningKey.Seed(), nil, "weft gateway: addresses in limits", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("gateway: deriving the key that hides addresses: %w", err)
	}
	g := &Gateway{config: config, deps: deps, addressKey: addressKey}
	g.minter = &minter{signer: signer, reuse: config.TokenReuse, now: deps.Now, tokens: map[tokenKey]minted{}}
	g.keys = newMemo[[sha256.Size]byte, *store.EndpointKey](config.CredentialTTL, config.DecisionTimeout, deps.Now)
	g.users = newMemo[[sha256.Size]byte, uuid.UUID](config.CredentialTTL, config.DecisionTimeout, deps.Now)
	g.roles = newMemo[membership, standing](config.CredentialTTL, config.DecisionTimeout, deps.Now)
	g.reviews = newMemo[[sha256.Size]byte, *ClusterUser](config.ClusterTTL, config.DecisionTimeout, deps.Now)
	g.rights = newMemo[clusterRight, bool](config.ClusterTTL, config.DecisionTimeout, deps.Now)
	g.metrics = newMetrics(deps.Registerer, func() float64 { return float64(g.inFlight.Load()) }, deps.Directory.size)
	g.access = &accessLog{log: deps.Log, perSecond: config.LogPerSecond}
	g.touches = newTouches(deps.Store, deps.Log)
	g.limiter = g.newLimiter()
	g.transport = newTransport(config)
	g.proxy = g.newProxy()
	return g, nil
}

func (g *Gateway) newLimiter() *limiter {
	l := &limiter{
		timeout: g.config.RedisTimeout, replicas: int64(g.config.Replicas), now: g.deps.Now, log: g.deps.Log,
		fellBack: g.metrics.fallbacks.Inc, leases: map[string]*lease{},
	}
	if g.deps.Redis != nil {
		l.shared = newRedisBlocks(g.deps.Redis)
	}
	return l
}

// Run does what goes on beside the requests until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.transport.CloseIdleConnections()
	return g.touches.run(ctx)
}

// Ready says why the gateway cannot serve yet, if so. A database or a Redis
// that is away does not count: taking the gateway out of service would help
// nobody.
func (g *Gateway) Ready() error {
	if !g.deps.Directory.Synced() {
		return errors.New("the gateway has not heard of all flows yet")
	}
	return nil
}

// exchange is one request and what becomes of it.
type exchange struct {
	w     http.ResponseWriter
	r     *http.Request
	id    string
	start time.Time

	target    request.Target
	forwarded []string // X-Forwarded-For, before it was dropped
	record    *record
	flow      *settings
	caller    caller
	verdict   verdict
	token     string
	body      requestBody
	timeout   time.Duration

	// for the log
	status   int
	code     string
	cause    error
	sent     int64
	received atomic.Int64
	attempts int
	pod      string
}

// step does one part of serving a request, or ends it with an answer.
type step func(*Gateway, *exchange) error

// steps returns the way of every request, in order. Nothing about the flow is
// told before authorized.
func steps() []step {
	return []step{
		(*Gateway).parsed,
		(*Gateway).found,
		(*Gateway).preflighted,
		(*Gateway).identified,
		(*Gateway).authorized,
		(*Gateway).fromAllowedPage,
		(*Gateway).awake,
		(*Gateway).withinLimits,
		(*Gateway).bodyTaken,
		(*Gateway).minted,
		(*Gateway).forwarded,
	}
}

// errServed ends a request that has been answered.
var errServed = errors.New("served")

// ServeHTTP serves one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{w: w, r: r, id: newRequestID(), start: g.deps.Now()}
	defer g.finish(r.Context(), x)
	defer g.letGo(x)
	defer g.inFlight.Add(-1)
	if g.inFlight.Add(1) > int64(g.config.MaxInFlight) {
		g.refuse(x, busy())
		return
	}
	for _, s := range steps() {
		if err := s(g, x); err != nil {
			g.refuse(x, err)
			return
		}
	}
}

// refuse answers a request that a step ended.
func (g *Gateway) refuse(x *exchange, err error) {
	if errors.Is(err, errServed) {
		return
	}
	var a *answer
	if !errors.As(err, &a) {
		a = &answer{status: http.StatusInternalServerError, code: "Internal", message: "Something went wrong on our side. Please try again.", cause: err}
	}
	x.status, x.code, x.cause = a.status, a.code, a.cause
	if a.status == statusCanceled {
		return
	}
	g.setHeaders(x, x.w.Header())
	x.sent = int64(a.write(x.w, x.r.Method))
}

// finish writes the log. It runs as well when the answer broke off, which
// httputil.ReverseProxy says with a panic.
func (g *Gateway) finish(ctx context.Context, x *exchange) {
	if x.status == 0 { // a panic
		x.status, x.code = http.StatusInternalServerError, "Internal"
	}
	now := g.deps.Now()
	g.metrics.observe(x.status, now.Sub(x.start))
	g.access.write(ctx, x, now)
}

// setHeaders sets what every answer carries, whoever gets it and whatever for.
func (g *Gateway) setHeaders(x *exchange, h http.Header) {
	h.Set("X-Request-Id", x.id)
	h.Set("Vary", "Origin")
	h.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: with it browsers send "Origin: null" from a page's own form.
	h.Set("Referrer-Policy", "same-origin")
	if h.Get("Content-Security-Policy") == "" {
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
	setLimitHeaders(h, x.verdict)
	if origin := originOf(x.r); x.mayTell() && x.flow.allowsOrigin(origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
	}
}

// mayTell tells whether the caller may learn of the flow.
func (x *exchange) mayTell() bool { return x.flow != nil && x.caller.allowed }

func newRequestID() string {
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "" // rand.Read never fails; see its documentation
	}
	return hex.EncodeToString(b[:])
}
