package main

import (
	"log/slog"
	"time"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/vault"
)

// module is one part of the portal: its routes, and its work beside them.
type module struct {
	name       string
	routes     []server.Route
	background []server.Background
}

// modules lists everything that the portal is made of.
func (p *parts) modules() []module {
	return []module{
		{moduleIdentity, identity.Routes(identity.Deps{Deps: p.deps, Service: p.identity, Trust: p.trust}), []server.Background{
			{Name: "workspaces to the cluster", Run: p.provisioner.Run},
		}},
		{moduleVault, vault.Routes(vault.Deps{
			Deps: p.deps, Vault: p.vault, Reviewer: vault.KubeReviewer{Client: p.deps.Kube}, RequestTokens: p.requests, Cluster: p.deps.Cache,
		}), []server.Background{
			{Name: "vault index to the cluster", Run: p.index.Run},
		}},
		{moduleWeb, p.web.Routes(p.flows), nil},
		{moduleFlows, p.flows.Routes(), p.flows.Background()},
		{moduleRealtime, realtime.Routes(realtime.Deps{Deps: p.deps, Verifier: p.verifier, EventLog: p.events}), nil},
	}
}

// table returns all routes. Those of modules that are not served here say so,
// to those who might have called them.
func (p *parts) table(serves func(string) bool) []server.Route {
	var all []server.Route
	for _, m := range p.modules() {
		for _, route := range m.routes {
			if !serves(m.name) {
				route = server.Absent(route, m.name)
			}
			all = append(all, route)
		}
	}
	return append(all, server.OpenAPI(all))
}

func (p *parts) background(serves func(string) bool) []server.Background {
	var all []server.Background
	for _, m := range p.modules() {
		if serves(m.name) {
			all = append(all, m.background...)
		}
	}
	return all
}

// pages renders HTML, where the pages are served here.
func (p *parts) pages(c Config) server.Pages {
	if !c.serves(moduleWeb) {
		return nil
	}
	return p.web
}

// description returns the OpenAPI document of the whole table.
func description() ([]byte, error) {
	p, err := blueprint()
	if err != nil {
		return nil, err
	}
	return server.Describe(p.table(func(string) bool { return true }))
}

// blueprint is the portal without anything behind it: enough to read its table.
func blueprint() (*parts, error) {
	d := server.Deps{Now: time.Now, Log: slog.Default()}
	p := &parts{deps: d, provisioner: identity.NewProvisioner(d), index: vault.NewIndex(d)}
	return p, p.flowsPart(Config{}.WithDefaults(), nil)
}
