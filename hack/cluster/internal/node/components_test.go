package node

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

func TestComponents(t *testing.T) {
	t.Parallel()
	waves := Components(Spec{Root: "/state", Binary: "/cache/node"}, kube.New("https://127.0.0.1:1", nil))
	var order []string
	flags := map[string][]string{}
	for _, wave := range waves {
		for _, component := range wave {
			order = append(order, component.Name)
			flags[component.Name] = component.Args
		}
	}
	if diff := cmp.Diff(Names(), order); diff != "" {
		t.Errorf("names and order of the start differ: -names +order\n%s", diff)
	}
	for name, want := range map[string]string{
		Containerd:  "containerd --config /state/config/containerd.toml",
		Etcd:        "--listen-client-urls=unix:///state/run/etcd.sock",
		APIServer:   "--authorization-mode=Node,RBAC",
		Controllers: "--leader-elect=false",
		Scheduler:   "--bind-address=127.0.0.1",
		Kubelet:     "--node-ip=" + layout.NodeAddress,
		Proxy:       "/cache/node kube-proxy --config=/state/config/kube-proxy.yaml",
	} {
		if got := strings.Join(flags[name], " "); !strings.Contains(got, want) {
			t.Errorf("%s is started without %q:\n%s", name, want, got)
		}
	}
}

// TestNothingListensOutside: only the API server has an address that is not
// loopback, and it is the node's own.
func TestNothingListensOutside(t *testing.T) {
	t.Parallel()
	for _, wave := range Components(Spec{Root: "/state"}, kube.New("https://127.0.0.1:1", nil)) {
		for _, component := range wave {
			for _, flag := range component.Args {
				if strings.Contains(flag, "0.0.0.0") {
					t.Errorf("%s listens everywhere: %s", component.Name, flag)
				}
			}
		}
	}
}

func TestHealthz(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	if err := healthz(server.URL)(t.Context()); err != nil {
		t.Errorf("a healthy component with a certificate of its own: %v", err)
	}
	status = http.StatusInternalServerError
	if err := healthz(server.URL)(t.Context()); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a sick component: %v", err)
	}
}
