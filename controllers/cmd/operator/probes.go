package main

import (
	"context"
	"net/http"
	"time"
)

// probes answers the kubelet. They share the server of the metrics: one port
// less to guard.
type probes struct {
	// synced waits until the caches are filled.
	synced func(context.Context) bool
}

func (p *probes) handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"/healthz": http.HandlerFunc(healthy),
		"/readyz":  http.HandlerFunc(p.ready),
	}
}

func healthy(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

// ready says whether the operator knows the cluster: its caches are filled.
func (p *probes) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if p.synced == nil || !p.synced(ctx) {
		http.Error(w, "the caches are not filled yet", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}
