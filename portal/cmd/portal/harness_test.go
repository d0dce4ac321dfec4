package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/portaltest"
	"github.com/weft-run/weft/portal/server"
)

// whole is the whole portal over a real database and a real Redis.
type whole struct {
	*portaltest.Portal
	parts  *parts
	routes []server.Route
}

func newWhole(t *testing.T, modules ...string) *whole {
	t.Helper()
	p := portaltest.New(t)
	place := keys.Dir(t.TempDir())
	if err := keys.Init(t.Context(), place); err != nil {
		t.Fatalf("making keys: %v", err)
	}
	in := &instance{
		config: Config{Modules: modules}.WithDefaults(), site: p.Deps.Site, place: place, store: p.Deps.Store, redis: portaltest.Redis(t),
		registry: prometheus.NewRegistry(), log: p.Deps.Log, ready: &readiness{},
	}
	built, err := in.parts(t.Context(), p.Deps.Kube, p.Deps.Cache)
	if err != nil {
		t.Fatalf("building the portal: %v", err)
	}
	p.Deps.Pages = built.pages(in.config)
	w := &whole{Portal: p, parts: built, routes: built.table(in.config.serves)}
	verifier := built.verifier
	p.URL = p.ServeWith(t, verifier, w.routes)
	return w
}

// table returns the whole table, without anything behind it.
func table(t *testing.T) []server.Route {
	t.Helper()
	p, err := blueprint()
	if err != nil {
		t.Fatal(err)
	}
	return p.table(func(string) bool { return true })
}
