package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
)

const (
	// startTimeout is how long a start waits for the database.
	startTimeout = 2 * time.Minute
	startRetry   = time.Second
	// shutdownTimeout is how long requests may go on after the signal to stop.
	shutdownTimeout = 25 * time.Second
)

// instance is what serving needs, portal and gateway alike.
type instance struct {
	config   Config
	site     server.Site
	place    keys.Place
	store    *store.Store
	redis    *redis.Client
	registry *prometheus.Registry
	log      *slog.Logger
	ready    *readiness
}

// front is what listens, and what goes on beside it.
type front struct {
	server     *http.Server
	background []server.Background
	ready      func() error
}

func serve(ctx context.Context, c Config, log *slog.Logger) (err error) {
	warnInsecure(c, log)
	in, err := newInstance(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.redis.Close()) }()
	defer in.store.Close()

	group, ctx := errgroup.WithContext(ctx)
	// Probes are answered until the last request is.
	probes, stopProbes := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return listen(probes, in.operations(), c.MetricsListen, nil) })
	group.Go(func() error {
		defer stopProbes()
		return in.serveFront(ctx)
	})
	group.Go(func() error { return giveBack(ctx, in.log) })
	return group.Wait()
}

// serveFront starts once the database is there and fits.
func (in *instance) serveFront(ctx context.Context) error {
	if err := in.awaitDatabase(ctx); err != nil {
		return err
	}
	build := in.portal
	if in.config.serves(moduleGateway) {
		build = in.gateway
	}
	f, err := build(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, b := range f.background {
		group.Go(func() error {
			if err := b.Run(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		context.AfterFunc(ctx, in.ready.drain)
		return listen(ctx, f.server, in.config.Listen, func() {
			in.log.Info("serving", "address", in.config.Listen, "modules", in.config.Modules, "url", in.config.PublicURL)
			in.ready.start(f.ready)
		})
	})
	return group.Wait()
}

func newInstance(ctx context.Context, c Config, log *slog.Logger) (*instance, error) {
	site, err := c.site()
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Config{URL: c.DatabaseURL})
	if err != nil {
		return nil, err
	}
	cache, err := server.OpenRedis(c.RedisURL)
	if err != nil {
		s.Close()
		return nil, err
	}
	dir := c.KeysDir
	if dir == "" {
		dir = DefaultKeysDir
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &instance{
		config: c, site: site, place: keys.Dir(dir), store: s, redis: cache, registry: registry, log: log, ready: &readiness{},
	}, nil
}

func warnInsecure(c Config, log *slog.Logger) {
	if c.InsecureAllowPlainHTTP {
		log.Warn("INSECURE: --insecure-allow-plain-http lets browsers send passwords and sessions unencrypted")
	}
}

// awaitDatabase waits for the database, and refuses a role that is too mighty.
func (in *instance) awaitDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(startRetry)
	defer ticker.Stop()
	for {
		err := in.store.CheckRole(ctx)
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		in.ready.wait("the database does not answer")
		in.log.Info("waiting for the database", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the database: %w", err)
		case <-ticker.C:
		}
	}
}

// listen serves until ctx ends, and then lets requests that are under way end.
func listen(ctx context.Context, s *http.Server, address string, started func()) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	if started != nil {
		started()
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving %s: %w", address, err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("ending the last requests at %s: %w", address, err), s.Close())
	}
	return nil
}
