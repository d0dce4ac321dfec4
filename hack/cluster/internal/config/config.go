// Package config renders the configuration of the components.
package config

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/weft-run/weft/hack/cluster/internal/cgroup"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
)

//go:embed templates
var templates embed.FS

// Names of the files below layout.State.Config.
const (
	Containerd = "containerd.toml"
	Kubelet    = "kubelet.yaml"
	Proxy      = "kube-proxy.yaml"
	Resolver   = "resolv.conf"
)

// CNIPlugins is where Debian puts the plugins.
const CNIPlugins = "/usr/lib/cni"

// Machine is what the configuration takes over from the machine.
type Machine struct {
	Snapshotter string   // of containerd: overlayfs or native
	Nameservers []string // upstream of the cluster's DNS
}

// view is what the templates see.
type view struct {
	layout.State
	Machine
}

// The constants of the layout, by the names the templates use.
func (view) NodeName() string      { return layout.NodeName }
func (view) NodeAddress() string   { return layout.NodeAddress }
func (view) PodCIDR() string       { return layout.PodCIDR }
func (view) PodGateway() string    { return layout.PodGateway }
func (view) DNSAddress() string    { return layout.DNSAddress }
func (view) ClusterDomain() string { return layout.ClusterDomain }
func (view) CgroupRoot() string    { return layout.CgroupRoot }
func (view) ShimGroup() string     { return cgroup.Shims }
func (view) CNINetwork() string    { return layout.CNINetwork }
func (view) CNIPlugins() string    { return CNIPlugins }
func (view) PauseImage() string    { return layout.PauseImage }

// Render returns the content of every file by its path.
func Render(state layout.State, machine Machine) (map[string][]byte, error) {
	files := map[string]string{
		state.Config(Containerd):                             "containerd.toml.tmpl",
		state.Config(Kubelet):                                "kubelet.yaml.tmpl",
		state.Config(Proxy):                                  "kube-proxy.yaml.tmpl",
		filepath.Join(state.CNIConfig(), "10-weft.conflist"): "pods.conflist.tmpl",
	}
	parsed, err := template.New("").Option("missingkey=error").ParseFS(templates, "templates/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse the configuration's templates: %w", err)
	}
	rendered := map[string][]byte{state.Config(Resolver): resolver(machine.Nameservers)}
	for path, name := range files {
		var out bytes.Buffer
		if err := parsed.ExecuteTemplate(&out, name, view{state, machine}); err != nil {
			return nil, fmt.Errorf("render %s: %w", name, err)
		}
		rendered[path] = out.Bytes()
	}
	return rendered, nil
}

// Write stores the rendered files.
func Write(files map[string][]byte) error {
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the directory for %s: %w", path, err)
		}
		if err := proc.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Nameservers returns those of the machine's name servers that a pod can reach.
// The first is used for a stub resolver on a loopback address, which stands for
// the servers in the next file.
func Nameservers(resolvConfs ...string) []string {
	for _, text := range resolvConfs {
		if found := reachable(text); len(found) > 0 {
			return found
		}
	}
	return nil
}

func reachable(resolvConf string) []string {
	var servers []string
	for line := range strings.Lines(resolvConf) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		address, err := netip.ParseAddr(fields[1])
		if err == nil && !address.IsLoopback() && !address.IsUnspecified() {
			servers = append(servers, address.String())
		}
	}
	return servers
}

// resolver is the resolv.conf of pods that do not use the cluster's DNS, among
// them CoreDNS.
func resolver(nameservers []string) []byte {
	var b bytes.Buffer
	for _, server := range nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	return b.Bytes()
}
