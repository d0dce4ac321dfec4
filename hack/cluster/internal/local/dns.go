package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/supervise"
)

// Time limits for DNS.
const (
	lookupTimeout  = 2 * time.Second
	currentWithin  = 3 * time.Second // for a CoreDNS that watches
	replacedWithin = 2 * time.Minute // for a new pod
)

// canary is the Service whose address tells whether DNS is current.
const canary = "weft-local-canary"

// ensureDNS makes sure that DNS follows the API server. When the API server was
// away, CoreDNS answers from memory and waits longer and longer before it
// watches again: new Services do not exist for it for a minute or more, while
// old names resolve. A new pod starts with everything.
func (c Cluster) ensureDNS(ctx context.Context, api *kube.Client) error {
	server, err := c.apiServerProcess()
	if err != nil {
		return err
	}
	mark := c.State.Run("dns-current")
	checked, err := os.ReadFile(mark)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read when DNS was checked: %w", err)
	}
	if bytes.Equal(checked, server) {
		return nil
	}
	address, err := api.ReplaceService(ctx, "kube-system", canary)
	if err != nil {
		return err
	}
	current := func(ctx context.Context) error { return resolvesTo(ctx, canary+".kube-system", address) }
	if poll(ctx, currentWithin, &progress.Detail{}, current) != nil {
		if err := c.replaceDNS(ctx, api, current); err != nil {
			return err
		}
	}
	return proc.WriteFile(mark, server, 0o600)
}

// replaceDNS starts CoreDNS anew.
func (c Cluster) replaceDNS(ctx context.Context, api *kube.Client, current func(context.Context) error) error {
	what := "replacing CoreDNS, which missed changes"
	return c.Progress.Step(ctx, what, func(ctx context.Context, detail *progress.Detail) error {
		if err := api.DeletePods(ctx, "kube-system", "k8s-app=kube-dns"); err != nil {
			return err
		}
		return poll(ctx, replacedWithin, detail, func(ctx context.Context) error {
			if err := usable(ctx, api); err != nil {
				return err
			}
			return current(ctx)
		})
	})
}

// apiServerProcess names the running API server; another one means that watches
// were cut.
func (c Cluster) apiServerProcess() ([]byte, error) {
	status, err := supervise.ReadStatus(c.State.Run(statusFile))
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(status.Components, func(e supervise.Entry) bool { return e.Name == node.APIServer })
	if at < 0 {
		return nil, permanent{errSupervisorGone}
	}
	id, err := proc.Of(status.Components[at].PID)
	if err != nil {
		return nil, fmt.Errorf("look at the API server: %w", err)
	}
	return fmt.Appendf(nil, "%d %d", id.PID, id.Start), nil
}

func resolvesTo(ctx context.Context, service, want string) error {
	got, err := resolve(ctx, service)
	if err == nil && got != want {
		err = fmt.Errorf("the cluster's DNS says %s is at %s and not at %s", service, got, want)
	}
	return err
}

// resolve asks the cluster's DNS for the address of a Service.
func resolve(ctx context.Context, service string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(layout.DNSAddress, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, service+".svc."+layout.ClusterDomain+".")
	if err != nil {
		return "", fmt.Errorf("ask the cluster's DNS: %w", err)
	}
	return addresses[0], nil
}
