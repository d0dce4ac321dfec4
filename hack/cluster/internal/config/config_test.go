package config_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/hack/cluster/internal/config"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

func render(t *testing.T) (layout.State, map[string][]byte) {
	t.Helper()
	state := layout.State{Root: "/state"}
	files, err := config.Render(state, config.Machine{Snapshotter: "native", Nameservers: []string{"192.0.2.53", "2001:db8::53"}})
	if err != nil {
		t.Fatal(err)
	}
	return state, files
}

func TestRenderContainerd(t *testing.T) {
	t.Parallel()
	state, files := render(t)
	got := string(files[state.Config(config.Containerd)])
	for reason, line := range map[string]string{
		"runc may not lower the OOM score":               "restrict_oom_score_adj = true",
		"the sandbox image is ours":                      `sandbox_image = "docker.io/local/pause:1"`,
		"network namespaces can be found for removal":    "netns_mounts_under_state_dir = true",
		"the snapshotter fits the file system":           `snapshotter = "native"`,
		"the socket is not the one of Debian's service":  `address = "/state/run/containerd.sock"`,
		"shims survive the end of the components":        `ShimCgroup = "/weft-cluster/shims"`,
		"streams are not reachable from other machines":  `stream_server_address = "127.0.0.1"`,
		"nothing is written outside of the state":        `root = "/state/data/containerd"`,
		"also the optional plugins stay below the state": `path = "/state/data/containerd-opt"`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("%s: no line %q", reason, line)
		}
	}
}

func TestRenderYAML(t *testing.T) {
	t.Parallel()
	state, files := render(t)
	for name, want := range map[string]map[string]any{
		config.Kubelet: {
			"kind": "KubeletConfiguration", "cgroupRoot": "/weft-cluster", "failCgroupV1": false,
			"evictionHard": map[string]any{}, "makeIPTablesUtilChains": false, "address": layout.NodeAddress,
			"containerRuntimeEndpoint": "unix:///state/run/containerd.sock",
		},
		config.Proxy: {
			"kind": "KubeProxyConfiguration", "mode": "nftables",
			"nodePortAddresses": []any{"10.245.0.1/32", "127.0.0.0/8"},
		},
	} {
		var got map[string]any
		if err := yaml.UnmarshalStrict(files[state.Config(name)], &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for field, value := range want {
			if diff := cmp.Diff(value, got[field]); diff != "" {
				t.Errorf("%s: %s: -want +got\n%s", name, field, diff)
			}
		}
	}
}

func TestRenderPodNetwork(t *testing.T) {
	t.Parallel()
	state, files := render(t)
	var got struct {
		Name    string
		Plugins []struct {
			Type   string
			IPMasq bool
		}
	}
	if err := json.Unmarshal(files[filepath.Join(state.CNIConfig(), "10-weft.conflist")], &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != layout.CNINetwork || len(got.Plugins) != 2 || got.Plugins[0].IPMasq {
		t.Errorf("the network is %+v; masquerading is our own rule's", got)
	}
}

func TestRenderResolver(t *testing.T) {
	t.Parallel()
	state, files := render(t)
	want := "nameserver 192.0.2.53\nnameserver 2001:db8::53\n"
	if got := string(files[state.Config(config.Resolver)]); got != want {
		t.Errorf("resolv.conf is %q, want %q", got, want)
	}
}

func TestNameservers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		files  []string
		want   []string
	}{
		"Plain": {
			reason: "the machine's servers are taken over in their order",
			files:  []string{"# comment\nsearch example.org\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", "nameserver 192.0.2.3\n"},
			want:   []string{"192.0.2.1", "192.0.2.2"},
		},
		"Stub": {
			reason: "a stub on loopback is not reachable from a pod; the next file has the real ones",
			files:  []string{"nameserver 127.0.0.53\n", "nameserver 192.0.2.3\n"},
			want:   []string{"192.0.2.3"},
		},
		"None": {
			reason: "without a reachable server pods resolve names of the cluster only",
			files:  []string{"nameserver 127.0.0.1\nnameserver ::1\nnameserver 0.0.0.0\nnameserver\nnameserver x\n", ""},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, config.Nameservers(tc.files...)); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}
