package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/portal/flows"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/keys"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/vault"
	"github.com/weft-run/weft/portal/web"
	"github.com/weft-run/weft/runtime/components"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const cachePrefix = "weft:"

// portal builds the modules that are served here.
func (in *instance) portal(ctx context.Context) (*front, error) {
	kube, err := in.newCluster()
	if err != nil {
		return nil, err
	}
	parts, err := in.parts(ctx, kube.direct, kube.watched)
	if err != nil {
		return nil, err
	}
	handler, err := server.New(server.Options{
		Routes:        parts.table(in.config.serves),
		Authenticator: identity.NewAuthenticator(parts.verifier, in.site),
		Parse:         parse,
		Pages:         parts.pages(in.config),
		Site:          in.site, Log: in.log, Metrics: server.NewMetrics(in.registry),
	})
	if err != nil {
		return nil, err
	}
	background := append(parts.background(in.config.serves), server.Background{Name: "watching the cluster", Run: kube.run})
	return &front{server: newHTTPServer(handler, in.log), background: background}, nil
}

// parse refuses requests that can be read in two ways.
func parse(r *http.Request) error {
	_, err := request.Parse(r)
	return err
}

func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		// A request token with every key of a test run fits.
		MaxHeaderBytes:               96 << 10,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func (in *instance) newCluster() (*cluster, error) {
	config, err := restConfig()
	if err != nil {
		return nil, err
	}
	return newCluster(config, in.log)
}

// parts are the modules with what they need of one another.
type parts struct {
	deps        server.Deps
	verifier    identity.Verifier
	identity    *identity.Service
	trust       requesttoken.KeySet
	provisioner *identity.Provisioner
	vault       *vault.Vault
	index       *vault.Index
	web         *web.Site
	flows       *flows.Module
	events      *realtime.Log
	requests    *requesttoken.Verifier
}

func (in *instance) parts(ctx context.Context, direct client.Client, watched client.Reader) (*parts, error) {
	p := &parts{
		deps: server.Deps{
			Store: in.store, Redis: in.redis, Kube: direct, Cache: watched, Site: in.site, Log: in.log, Now: time.Now,
		},
		events: realtime.NewLog(in.redis, cachePrefix),
	}
	if err := in.identityPart(ctx, p); err != nil {
		return nil, err
	}
	signer, err := in.requestPart(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := in.vaultPart(ctx, p); err != nil {
		return nil, err
	}
	return p, p.flowsPart(in.config, signer)
}

// flowsPart prepares flows and the pages that show them.
func (p *parts) flowsPart(c Config, signer flows.Minter) error {
	catalog, err := components.Catalog()
	if err != nil {
		return fmt.Errorf("preparing the catalogue of step types: %w", err)
	}
	p.web, err = web.New(web.Options{Site: p.deps.Site, Catalog: catalog, Keys: p.vault, KeyUses: p.deps.Store, Log: p.deps.Log})
	if err != nil {
		return fmt.Errorf("preparing the pages: %w", err)
	}
	d := flows.Deps{
		Deps: p.deps, Catalog: catalog, Keys: flowKeys{p.vault}, Minter: signer, EventLog: p.events, TestRuntimeURL: c.TestRuntimeURL,
	}
	if c.serves(moduleWeb) {
		d.Views, d.Pages = p.web, p.web
	}
	p.flows = flows.New(d)
	return nil
}

func (in *instance) identityPart(ctx context.Context, p *parts) error {
	p.provisioner = identity.NewProvisioner(p.deps)
	if !in.config.serves(moduleIdentity) {
		remote, err := in.remoteIdentity()
		p.verifier = remote
		return err
	}
	service, err := in.newIdentity(ctx, p.provisioner.Wake)
	p.identity, p.verifier = service, service
	return err
}

func (in *instance) remoteIdentity() (*identity.Remote, error) {
	address, err := url.Parse(in.config.IdentityURL)
	if err != nil {
		return nil, fmt.Errorf("reading identity-url: %w", err)
	}
	return identity.NewRemote(address, in.site), nil
}

func (in *instance) newIdentity(ctx context.Context, provision func()) (*identity.Service, error) {
	material, err := keys.LoadIdentity(ctx, in.place)
	if err != nil {
		return nil, err
	}
	return identity.New(identity.Config{
		Store: in.store, Redis: in.redis, CachePrefix: cachePrefix, Keys: material, Site: in.site, Log: in.log, Provision: provision,
	})
}

func (in *instance) requestPart(ctx context.Context, p *parts) (*requesttoken.Signer, error) {
	material, err := keys.LoadRequest(ctx, in.place)
	if err != nil {
		return nil, err
	}
	if p.trust, err = material.Trust(); err != nil {
		return nil, fmt.Errorf("reading the request-signing keys: %w", err)
	}
	p.requests = requesttoken.NewVerifier(p.trust)
	return material.Signer()
}

// vaultPart prepares the vault where it, or what stores keys in place, is
// served.
func (in *instance) vaultPart(ctx context.Context, p *parts) error {
	kek, err := keys.LoadVault(ctx, in.place)
	if err != nil {
		return err
	}
	p.index = vault.NewIndex(p.deps)
	p.vault, err = vault.New(ctx, in.store, kek, p.index.Wake)
	return err
}
