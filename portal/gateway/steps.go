package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weft-run/weft/runtime/request"
)

// parsed reads the request, once and for all, and drops every header that
// could be taken for one of ours.
func (g *Gateway) parsed(x *exchange) error {
	target, err := request.Parse(x.r)
	if err != nil {
		return badRequest(err)
	}
	x.target = target
	x.forwarded = x.r.Header.Values("X-Forwarded-For")
	request.StripReserved(x.r.Header)
	return nil
}

// found looks the flow up. Absence is no answer yet.
func (g *Gateway) found(x *exchange) error {
	if !g.deps.Directory.Synced() {
		return unavailable("gateway", errors.New("not all flows are known yet"))
	}
	if x.target.Kind == request.Flow {
		x.record, x.flow = g.deps.Directory.lookup(name{x.target.Workspace, x.target.Name})
	}
	return nil
}

// preflighted answers browsers that ask whether a page may call. A preflight
// has no credential. It learns that there is a flow only if it names an origin
// that the flow's owner allowed.
func (g *Gateway) preflighted(x *exchange) error {
	origin := originOf(x.r)
	if !isPreflight(x.r) || x.flow == nil || !x.flow.allowsOrigin(origin) {
		return nil
	}
	g.setHeaders(x, x.w.Header())
	writePreflight(x.w, origin)
	x.status = http.StatusNoContent
	return errServed
}

func (g *Gateway) identified(x *exchange) error {
	c, err := g.identify(x.r.Context(), x.r.Header)
	if err != nil {
		g.metrics.callers.WithLabelValues("refused").Inc()
		return err
	}
	g.metrics.callers.WithLabelValues(c.kind.String()).Inc()
	x.caller = c
	return nil
}

func (g *Gateway) authorized(x *exchange) error {
	n := name{x.target.Workspace, x.target.Name}
	if err := g.authorize(x.r.Context(), x.caller, n, x.flow); err != nil {
		return err
	}
	x.caller.allowed = true
	return nil
}

func (g *Gateway) fromAllowedPage(x *exchange) error {
	if err := checkOrigin(x.flow, x.r, x.target); err != nil {
		return err
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return nil
	}
	return methodNotAllowed()
}

func (g *Gateway) awake(x *exchange) error {
	if x.flow.paused {
		return paused()
	}
	return nil
}

// withinLimits counts the request. Those that are over the limit are refused
// before a byte of their body is read.
func (g *Gateway) withinLimits(x *exchange) error {
	if x.r.ContentLength > x.flow.maxBody {
		return tooLarge(x.flow.maxBody)
	}
	rules := g.rulesOf(x)
	if len(rules) == 0 {
		return nil
	}
	x.verdict = g.limiter.admit(x.r.Context(), rules)
	if d := x.verdict.denied; d != nil {
		g.metrics.denials.WithLabelValues(d.label).Inc()
		return limited(d.what, x.verdict.after)
	}
	return nil
}

func (g *Gateway) minted(x *exchange) error {
	token, err := g.minter.mint(tokenKey{
		audience: x.flow.uid, workspace: x.target.Workspace, flow: x.target.Name,
		method: x.target.Method, path: x.target.Path, subject: x.caller.subject,
	})
	if err != nil {
		return err
	}
	x.token = token
	return nil
}

// forwarded passes the request on. At most as many at a time as all pods of the
// flow take together: the next one would be refused there.
func (g *Gateway) forwarded(x *exchange) error {
	pods := int64(max(1, len(*x.record.endpoints.Load())))
	defer x.record.inFlight.Add(-1)
	if x.record.inFlight.Add(1) > x.flow.maxRuns*pods {
		g.metrics.denials.WithLabelValues("concurrency").Inc()
		return limited("this flow serves as many requests at a time as it may", time.Second)
	}
	if err := g.writeDeadline(x); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(x.r.Context(), exchangeKey{}, x), x.timeout)
	defer cancel()
	whole := false
	defer func() {
		if !whole { // httputil breaks an answer off with a panic
			x.code = "Broken"
		}
	}()
	g.proxy.ServeHTTP(x.w, x.r.WithContext(ctx))
	whole = true
	return nil
}

// writeDeadline bounds how long the caller may take to read the answer.
func (g *Gateway) writeDeadline(x *exchange) error {
	err := http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.timeout + writeGrace))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bounding the time for an answer: %w", err)
	}
	return nil
}
