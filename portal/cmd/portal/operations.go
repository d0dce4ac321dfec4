package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("stopping")
)

// readiness tells whether requests should come here. A database or a Redis that
// is away is no reason for them not to: they are answered with a 503 that says
// so, which is more than a refused connection says.
type readiness struct {
	mu      sync.Mutex
	state   error
	started bool
	check   func() error
}

func (r *readiness) wait(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = errors.New(what)
}

func (r *readiness) start(check func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started, r.state, r.check = true, nil, check
}

func (r *readiness) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started, r.state = true, errDraining
}

func (r *readiness) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.state != nil:
		return r.state
	case !r.started:
		return errStarting
	case r.check != nil:
		return r.check()
	}
	return nil
}

// operations serves the port that probes and monitoring use.
func (in *instance) operations() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := in.ready.err(); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(in.registry, promhttp.HandlerOpts{}))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		slog.Debug("answering a probe", "error", err)
	}
}
