package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// probe succeeds when something is ready.
type probe func(ctx context.Context) error

// all succeeds when every probe does.
func all(probes ...probe) probe {
	return func(ctx context.Context) error {
		for _, p := range probes {
			if err := p(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// healthz asks a component's own health endpoint. The components make their
// serving certificates themselves, and on loopback nobody else can answer.
func healthz(url string) probe {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // loopback, no secrets sent
		DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error { return ask(ctx, client, url) }
}

// etcd asks etcd through its socket.
func etcd(state layout.State) probe {
	socket := strings.TrimPrefix(state.EtcdURL(), "unix://")
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error { return ask(ctx, client, "http://etcd/readyz") }
}

func ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}

// Ctr returns a call of containerd's own client, in the namespace that the
// kubelet uses.
func Ctr(state layout.State, timeout time.Duration, args ...string) run.Cmd {
	own := []string{"--address", state.ContainerdSocket(), "--namespace", "k8s.io"}
	return run.Cmd{Name: "ctr", Args: append(own, args...), Timeout: timeout}
}

func containerd(state layout.State) probe {
	return func(ctx context.Context) error {
		_, err := run.Output(ctx, Ctr(state, 3*time.Second, "version"))
		return err
	}
}

// images loads archives as part of being ready: a pod that starts before its
// sandbox image is there waits for a long back-off.
func images(state layout.State, archives []string) probe {
	loaded := false
	return func(ctx context.Context) error {
		if loaded {
			return nil
		}
		if err := Load(context.WithoutCancel(ctx), state, archives...); err != nil {
			return err
		}
		loaded = true
		return nil
	}
}

// Load imports image archives, in Docker's or the OCI format.
func Load(ctx context.Context, state layout.State, archives ...string) error {
	for _, archive := range archives {
		if _, err := run.Output(ctx, Ctr(state, 5*time.Minute, "images", "import", archive)); err != nil {
			return fmt.Errorf("load image %s: %w", archive, err)
		}
	}
	return nil
}
