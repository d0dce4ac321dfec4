// Package server is the runtime's HTTP side: it takes requests that carry a
// good request token, executes a flow or a draft, and answers.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/credentials"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/guard"
	"github.com/weft-run/weft/runtime/limits"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	readHeaderTimeout = 10 * time.Second
	// idleTimeout is longer than the gateway keeps an idle connection, so that
	// it is the gateway that closes it, and no request meets a closed one.
	idleTimeout = 150 * time.Second
	// maxHeaderBytes leaves room for the largest request token.
	maxHeaderBytes = 96 << 10
	// maxConnections bounds the memory that connections take before anything
	// is known of them.
	maxConnections = 2048
	// shutdownTimeout bounds the wait for runs under way. The kubelet ends it
	// earlier where the flow's runTimeout is shorter.
	shutdownTimeout = time.Hour + 10*time.Second
)

// shared is what both modes use.
type shared struct {
	catalog *catalog.Catalog
	http    *http.Client
	bodies  *limits.Bodies
	// leaks counts components that go on after their time is over.
	leaks *engine.Leaks
}

func newShared(cfg Config) (*shared, error) {
	cat, err := components.Catalog()
	if err != nil {
		return nil, err
	}
	allow, err := guard.ParseAllowList(cfg.EgressAllow)
	if err != nil {
		return nil, fmt.Errorf("reading the allow-list: %w", err)
	}
	return &shared{
		catalog: cat,
		http:    guard.NewClient(guard.Options{Allow: allow}),
		bodies:  limits.NewBodies(bodiesBudget),
		leaks:   new(engine.Leaks),
	}, nil
}

func (s *shared) vault(cfg Config) credentials.Fetcher {
	return credentials.NewVault(cfg.VaultURL, cfg.VaultTokenFile)
}

// handler executes in one of the modes.
type handler interface {
	serve(w http.ResponseWriter, r *http.Request, target request.Target, claims requesttoken.Claims)
	background(ctx context.Context)
	measured() *metrics
}

// Server is a runtime.
type Server struct {
	cfg      Config
	log      *slog.Logger
	trust    *trust
	handler  handler
	draining atomic.Bool
	requests atomic.Int64
}

// New reads the files that the configuration names and compiles the flow. The
// error is a *ProblemsError where the flow has errors.
func New(cfg Config, log *slog.Logger) (*Server, error) {
	trust, err := newTrust(cfg.TrustFile, log)
	if err != nil {
		return nil, err
	}
	shared, err := newShared(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, trust: trust}
	if cfg.Mode == ModeTest {
		s.handler = newTestHandler(cfg, shared)
		return s, nil
	}
	s.handler, err = newFlowHandler(cfg, shared, log)
	return s, err
}

// ServeHTTP answers a request to the port for runs. Nothing is looked at
// before the request token is verified but what the token is bound to.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if s.draining.Load() {
		// Whoever holds this connection shall open the next one elsewhere.
		w.Header().Set("Connection", "close")
	}
	target, err := request.Parse(r)
	if err != nil {
		s.handler.measured().refuse(refusedRequest)
		replyFailure(w, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, "The request's address can be read in more than one way."))
		return
	}
	claims, err := s.authenticate(r, target)
	if err != nil {
		s.handler.measured().refuse(refusedToken)
		s.log.Warn("a request was refused", "reason", err)
		replyFailure(w, refuse(http.StatusUnauthorized, v1alpha1.ErrorUnauthorized,
			"This request did not come through the gateway.").with("WWW-Authenticate", requesttoken.Header))
		return
	}
	s.handler.serve(w, r, target, claims)
}

var errOtherTarget = errors.New("the request token is for another workspace or target")

func (s *Server) authenticate(r *http.Request, target request.Target) (requesttoken.Claims, error) {
	token, err := requesttoken.FromHeader(r.Header)
	if err != nil {
		return requesttoken.Claims{}, err
	}
	claims, err := s.trust.verify(token, requesttoken.Expect{
		Audience: s.cfg.Audience, Method: target.Method, Path: target.Path, Now: time.Now(),
	})
	if err != nil {
		return requesttoken.Claims{}, err
	}
	if claims.Workspace != s.cfg.Workspace || claims.Target != s.cfg.Name {
		return requesttoken.Claims{}, errOtherTarget
	}
	return claims, nil
}

// observe serves health and metrics.
func (s *Server) observe() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.draining.Load() {
			reply(w, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte("ending\n"))
			return
		}
		reply(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.handler.measured().registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	return mux
}

// Run serves until ctx ends. Then it answers "not ready" at once, takes
// requests for the time of DrainDelay, in which everyone learns to go
// elsewhere, and ends when the runs under way are done. Whatever it started has
// ended when it returns.
func (s *Server) Run(ctx context.Context) error {
	var started sync.WaitGroup
	defer started.Wait()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	started.Go(func() { s.trust.follow(background) })
	started.Go(func() { s.handler.background(background) })
	started.Go(func() { s.trimWhenIdle(background) })

	runs, metrics := s.newHTTPServer(s), s.newHTTPServer(s.observe())
	failed := make(chan error, 2)
	if err := s.listen(ctx, &started, metrics, s.cfg.MetricsListen, "metrics", failed); err != nil {
		return err
	}
	if err := s.listen(ctx, &started, runs, s.cfg.Listen, "runs", failed); err != nil {
		return errors.Join(err, metrics.Close())
	}
	s.trim()
	s.log.Info("ready", "mode", s.cfg.Mode)
	select {
	case err := <-failed:
		return errors.Join(err, runs.Close(), metrics.Close())
	case <-ctx.Done():
	}
	return s.drain(background, runs, metrics)
}

func (s *Server) drain(ctx context.Context, runs, metrics *http.Server) error {
	s.log.Info("ending: not ready any more, still taking requests", "delay", s.cfg.DrainDelay)
	s.draining.Store(true)
	<-time.After(s.cfg.DrainDelay)
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := runs.Shutdown(ctx)
	s.log.Info("ended: all runs are done")
	return errors.Join(err, metrics.Close())
}

func (s *Server) newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		// The body of a request that is refused is not waited for longer.
		ReadTimeout:    bodyTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) listen(ctx context.Context, started *sync.WaitGroup, server *http.Server, address, name string, failed chan<- error) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for %s: %w", name, err)
	}
	s.log.Info("listening", "for", name, "address", listener.Addr().String())
	started.Go(func() {
		if err := server.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving %s: %w", name, err)
		}
	})
	return nil
}
