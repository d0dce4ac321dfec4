// Package node describes the components of the cluster: how each is started,
// when it is ready, and in which order they come.
package node

import (
	"fmt"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/certs"
	"github.com/weft-run/weft/hack/cluster/internal/config"
	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/supervise"
)

// Time limits. On a machine that is busy compiling everything takes long.
const (
	readyWithin = 2 * time.Minute
	stopWithin  = 10 * time.Second
)

// Spec is all that a supervisor needs to know; `up` writes it, and compares it
// with the running one to see whether a restart is needed.
type Spec struct {
	// Root is the state directory.
	Root string `json:"root"`
	// Binary is the program with all components.
	Binary string `json:"binary"`
	// Images are archives that must be loaded before the first pod starts.
	Images []string `json:"images"`
	// ConfigHash changes when a configuration file, a certificate or a command
	// line does.
	ConfigHash string `json:"configHash"`
}

// Names of the components; their logs have the same.
const (
	Containerd  = "containerd"
	Etcd        = "etcd"
	APIServer   = "kube-apiserver"
	Controllers = "kube-controller-manager"
	Scheduler   = "kube-scheduler"
	Kubelet     = "kubelet"
	Proxy       = "kube-proxy"
)

// Names lists the components in the order of their start.
func Names() []string {
	return []string{Containerd, Etcd, APIServer, Controllers, Scheduler, Kubelet, Proxy}
}

// Components returns the waves in which the cluster is started.
func Components(spec Spec, api *kube.Client) [][]supervise.Component {
	state := layout.State{Root: spec.Root}
	kubernetes := func(name string, ready probe, flags ...string) supervise.Component {
		return component(name, ready, append([]string{spec.Binary, name}, flags...))
	}
	runtime := component(Containerd, all(containerd(state), images(state, spec.Images)),
		[]string{"containerd", "--config", state.Config(config.Containerd)})
	return [][]supervise.Component{
		{runtime, kubernetes(Etcd, etcd(state), etcdFlags(state)...)},
		{kubernetes(APIServer, api.Ready, apiServerFlags(state)...)},
		{
			kubernetes(Controllers, healthz("https://127.0.0.1:10257/healthz"), controllerFlags(state)...),
			kubernetes(Scheduler, healthz("https://127.0.0.1:10259/healthz"), schedulerFlags(state)...),
			kubernetes(Kubelet, all(healthz("http://127.0.0.1:10248/healthz"), api.NodeExists), kubeletFlags(state)...),
		},
		// kube-proxy ends when the addresses of its node change, so it must not
		// see the node appear.
		{kubernetes(Proxy, healthz("http://127.0.0.1:10256/healthz"), "--config="+state.Config(config.Proxy))},
	}
}

// CommandLines returns how every component is started.
func CommandLines(spec Spec) [][]string {
	var lines [][]string
	for _, wave := range Components(spec, nil) {
		for _, component := range wave {
			lines = append(lines, component.Args)
		}
	}
	return lines
}

func component(name string, ready probe, args []string) supervise.Component {
	return supervise.Component{
		Name: name, Args: args, Ready: ready,
		ReadyWithin: readyWithin, StopWithin: stopWithin,
	}
}

func etcdFlags(state layout.State) []string {
	return []string{
		"--name=local",
		"--data-dir=" + state.Data("etcd"),
		"--listen-client-urls=" + state.EtcdURL(),
		"--advertise-client-urls=" + state.EtcdURL(),
		"--listen-peer-urls=" + state.EtcdPeerURL(),
		"--initial-advertise-peer-urls=" + state.EtcdPeerURL(),
		"--initial-cluster=local=" + state.EtcdPeerURL(),
		// A busy disk must not look like a lost leader.
		"--heartbeat-interval=500",
		"--election-timeout=5000",
		"--auto-compaction-retention=1h",
		"--log-level=warn",
	}
}

func apiServerFlags(state layout.State) []string {
	issuer := "https://kubernetes.default.svc." + layout.ClusterDomain
	return []string{
		"--bind-address=" + layout.NodeAddress,
		"--advertise-address=" + layout.NodeAddress,
		fmt.Sprintf("--secure-port=%d", layout.APIServerPort),
		"--etcd-servers=" + state.EtcdURL(),
		"--tls-cert-file=" + state.PKI(certs.APIServer+".crt"),
		"--tls-private-key-file=" + state.PKI(certs.APIServer+".key"),
		"--client-ca-file=" + state.PKI(certs.CA+".crt"),
		"--kubelet-certificate-authority=" + state.PKI(certs.CA+".crt"),
		"--kubelet-client-certificate=" + state.PKI(certs.KubeletClient+".crt"),
		"--kubelet-client-key=" + state.PKI(certs.KubeletClient+".key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + state.PKI(certs.FrontProxyCA+".crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + state.PKI(certs.FrontProxy+".crt"),
		"--proxy-client-key-file=" + state.PKI(certs.FrontProxy+".key"),
		"--service-account-key-file=" + state.PKI(certs.ServiceAccounts+".pub"),
		"--service-account-signing-key-file=" + state.PKI(certs.ServiceAccounts+".key"),
		"--service-account-issuer=" + issuer,
		"--service-cluster-ip-range=" + layout.ServiceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--profiling=false",
	}
}

func controllerFlags(state layout.State) []string {
	return append(clientFlags(state, certs.Controllers),
		"--root-ca-file="+state.PKI(certs.CA+".crt"),
		"--service-account-private-key-file="+state.PKI(certs.ServiceAccounts+".key"),
		// A quota made before the kinds that it counts were known is looked at
		// again with this period; the default is five minutes, and until then
		// the API server refuses what the quota would count.
		"--resource-quota-sync-period=10s",
		"--cluster-signing-cert-file="+state.PKI(certs.CA+".crt"),
		"--cluster-signing-key-file="+state.PKI(certs.CA+".key"),
		"--use-service-account-credentials=true",
		"--cluster-cidr="+layout.PodCIDR,
		"--allocate-node-cidrs=false",
		"--flex-volume-plugin-dir="+state.Data("volume-plugins"),
		// The only node must not lose its pods while the machine compiles.
		"--node-monitor-grace-period=3m",
		"--profiling=false",
	)
}

func schedulerFlags(state layout.State) []string {
	return append(clientFlags(state, certs.Scheduler), "--profiling=false")
}

// clientFlags are common to the components that only speak to the API server.
func clientFlags(state layout.State, user string) []string {
	kubeconfig := certs.Kubeconfig(state, user)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
	}
}

func kubeletFlags(state layout.State) []string {
	return []string{
		"--config=" + state.Config(config.Kubelet),
		"--kubeconfig=" + certs.Kubeconfig(state, certs.Kubelet),
		"--root-dir=" + state.Data("kubelet"),
		"--cert-dir=" + state.Data("kubelet-pki"),
		"--hostname-override=" + layout.NodeName,
		"--node-ip=" + layout.NodeAddress,
	}
}
