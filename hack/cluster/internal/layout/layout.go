// Package layout says where the local cluster keeps its files and which names
// and addresses it takes on the machine. Everything else asks this package, so
// that what is made by one part can be found and removed by another.
package layout

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// KubernetesVersion is the version all components report. It must be the
// version of k8s.io/kubernetes in cmd/node/go.mod; a test compares them.
const KubernetesVersion = "v1.37.2"

// Names and addresses on the machine. There is one local cluster per machine,
// so they are constants; the alias of the bridge names the owner's state
// directory.
const (
	// NodeName is the name of the one node in the cluster.
	NodeName = "weft-node"
	// Bridge is the device that carries the node's address, so that the address
	// does not depend on the machine's own network.
	Bridge = "weft-node0"
	// NodeAddress is the address of the node and of the API server.
	NodeAddress = "10.245.0.1"
	// APIServerPort is where the API server listens, on NodeAddress only.
	APIServerPort = 6443
	// PodCIDR is the range of the pods' addresses.
	PodCIDR = "10.244.0.0/16"
	// PodGateway is the address of the pods' default route.
	PodGateway = "10.244.0.1"
	// ServiceCIDR is the range of ClusterIPs.
	ServiceCIDR = "10.96.0.0/16"
	// ServiceAddress is the ClusterIP of the API server: the first of the range.
	ServiceAddress = "10.96.0.1"
	// DNSAddress is the ClusterIP of CoreDNS.
	DNSAddress = "10.96.0.10"
	// ClusterDomain is the suffix of the names CoreDNS serves.
	ClusterDomain = "cluster.local"
	// Table is our own nftables table (family ip).
	Table = "weft-cluster"
	// CgroupRoot is the parent of every cgroup of the cluster.
	CgroupRoot = "weft-cluster"
	// CNINetwork is the name of the pod network; it is part of what the CNI
	// plugins leave outside of the state directory.
	CNINetwork = "weft-cluster"
	// PauseImage holds a pod's namespaces open.
	PauseImage = "docker.io/local/pause:1"
	// CoreDNSImage serves the cluster's names.
	CoreDNSImage = "docker.io/local/coredns:1"
	// VolumeLabel marks the local persistent volumes, with the value "true".
	VolumeLabel = "weft.run/local-volume"
	// Volumes is the number of local persistent volumes.
	Volumes = 8
)

// Variables of the environment that move the two directories.
const (
	stateVariable = "WEFT_CLUSTER_DIR"
	cacheVariable = "XDG_CACHE_HOME"
	defaultState  = "/var/lib/weft-cluster"
)

// State is the directory of a running cluster; `down` removes it.
type State struct{ Root string }

// Cache is the directory of what is built once and outlives the cluster.
type Cache struct{ Root string }

// FromEnvironment returns the directories chosen by the environment.
func FromEnvironment(getenv func(string) string) (State, Cache, error) {
	state := getenv(stateVariable)
	if state == "" {
		state = defaultState
	}
	cache := getenv(cacheVariable)
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return State{}, Cache{}, fmt.Errorf("find the cache directory: %w (set %s)", err, cacheVariable)
		}
		cache = filepath.Join(home, ".cache")
	}
	if !filepath.IsAbs(state) || filepath.Clean(state) == "/" {
		return State{}, Cache{}, fmt.Errorf("%s=%q must be an absolute path below /", stateVariable, state)
	}
	return State{filepath.Clean(state)}, Cache{filepath.Join(cache, "weft")}, nil
}

func (s State) join(parts ...string) string {
	return filepath.Join(append([]string{s.Root}, parts...)...)
}

// Journal records what the machine looked like before the first start.
func (s State) Journal() string { return s.join("journal.json") }

// Kubeconfig is the administrator's kubeconfig.
func (s State) Kubeconfig() string { return s.join("kubeconfig") }

// PKI holds keys, certificates and the components' kubeconfigs.
func (s State) PKI(name string) string { return s.join("pki", name) }

// Config holds the rendered configuration of a component.
func (s State) Config(name string) string { return s.join("config", name) }

// CNIConfig is the directory containerd reads the pod network from.
func (s State) CNIConfig() string { return s.join("config", "cni") }

// Log is the log file of a component.
func (s State) Log(component string) string { return s.join("log", component+".log") }

// PodLogs holds the pods' logs.
func (s State) PodLogs() string { return s.join("log", "pods") }

// Run holds what is only true until the next boot: sockets, pid files, status.
func (s State) Run(name string) string { return s.join("run", name) }

// Bin holds the orchestrator's own copy, which outlives the checkout.
func (s State) Bin(name string) string { return s.join("bin", name) }

// Data holds what a component keeps: etcd, containerd, kubelet.
func (s State) Data(component string) string { return s.join("data", component) }

// Volume is the directory behind the persistent volume with this number.
func (s State) Volume(n int) string { return s.join("volumes", fmt.Sprintf("%02d", n)) }

// ContainerdSocket is where our containerd listens.
func (s State) ContainerdSocket() string { return s.Run("containerd.sock") }

// ContainerdState is what containerd calls its state directory.
func (s State) ContainerdState() string { return s.Run("containerd") }

// EtcdURL is where etcd serves clients: a socket, so that only root reaches it.
func (s State) EtcdURL() string { return "unix://" + s.Run("etcd.sock") }

// EtcdPeerURL is where etcd would serve peers; it has none.
func (s State) EtcdPeerURL() string { return "unix://" + s.Run("etcd-peer.sock") }

// Lock is held while a command changes the cluster. It lives in the cache, as
// the state directory is removed under it.
func (c Cache) Lock() string { return filepath.Join(c.Root, "cluster.lock") }

// Build is the directory of one built artifact.
func (c Cache) Build(name string) string { return filepath.Join(c.Root, "build", name) }

// KindKubeconfig is the kubeconfig of the cluster that kind made.
func (c Cache) KindKubeconfig() string { return filepath.Join(c.Root, "kind.kubeconfig") }

// APIServerURL is the address in every kubeconfig.
func APIServerURL() string {
	return "https://" + net.JoinHostPort(NodeAddress, strconv.Itoa(APIServerPort))
}
