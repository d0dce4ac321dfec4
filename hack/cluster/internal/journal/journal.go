// Package journal records what the machine looked like before the cluster
// touched it, so that `down` removes what the cluster made and nothing else.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weft-run/weft/hack/cluster/internal/proc"
)

// Journal is what was there before.
type Journal struct {
	// BootID says for which boot Tables, Chains and Sysctls are true.
	BootID string `json:"bootID"`
	// Tables are nftables' tables, as "family name".
	Tables []string `json:"tables"`
	// Chains are the chains in the nat tables of iptables and ip6tables.
	Chains map[string][]string `json:"chains"`
	// Sysctls are the kernel's settings that the cluster changes.
	Sysctls map[string]string `json:"sysctls"`
	// Directories says for each directory outside of the state directory that
	// the components use, whether it existed. It is true across boots.
	Directories map[string]bool `json:"directories"`
}

// directories that components use although they are told of others. A parent
// comes before its children.
func directories() []string {
	return []string{
		"/run/containerd", "/run/containerd/s", // shims' sockets
		"/var/lib/kubelet", "/var/lib/kubelet/device-plugins", // kubelet's device socket
		"/var/log/containers",                                        // kubelet's links to logs
		"/var/lib/cni", "/var/lib/cni/cache", "/var/lib/cni/results", // results of CNI plugins
		"/etc/cni", "/etc/cni/net.d",
		"/run/mount", // mount's own bookkeeping
	}
}

// sysctls that components change. The kubelet sets the kernel's reaction to
// errors, kube-proxy and the pod network need forwarding.
func sysctls() []string {
	return []string{
		"net/ipv4/ip_forward",
		"net/ipv4/conf/all/route_localnet",
		"vm/overcommit_memory",
		"vm/panic_on_oom",
		"kernel/panic",
		"kernel/panic_on_oops",
		"kernel/keys/root_maxkeys",
		"kernel/keys/root_maxbytes",
	}
}

// sysctlPath is where a setting is read and written.
func sysctlPath(name string) string { return filepath.Join("/proc/sys", name) }

// Firewall is the part of a journal that other packages read from the machine.
type Firewall struct {
	Tables []string
	Chains map[string][]string
}

// Record writes the journal if there is none for this boot. What an earlier
// boot knew about files stays true.
func Record(path string, firewall Firewall) (Journal, error) {
	boot, err := proc.BootID()
	if err != nil {
		return Journal{}, err
	}
	have, err := Read(path)
	if err != nil {
		return Journal{}, err
	}
	if have.BootID == boot {
		return have, nil
	}
	now := Journal{BootID: boot, Tables: firewall.Tables, Chains: firewall.Chains, Directories: have.Directories}
	if now.Directories == nil {
		now.Directories = existing(directories())
	}
	if now.Sysctls, err = readSysctls(sysctls()); err != nil {
		return Journal{}, err
	}
	data, err := json.MarshalIndent(now, "", "  ")
	if err != nil {
		return Journal{}, fmt.Errorf("encode the journal: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return Journal{}, fmt.Errorf("make the state directory: %w", err)
	}
	return now, proc.WriteFile(path, data, 0o600)
}

// Read loads the journal; a missing one is empty.
func Read(path string) (Journal, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Journal{}, nil
	}
	if err != nil {
		return Journal{}, fmt.Errorf("read the journal: %w", err)
	}
	var j Journal
	if err := json.Unmarshal(data, &j); err != nil {
		return Journal{}, fmt.Errorf("read the journal %s: %w", path, err)
	}
	return j, nil
}

func existing(paths []string) map[string]bool {
	found := map[string]bool{}
	for _, path := range paths {
		_, err := os.Lstat(path)
		found[path] = err == nil
	}
	return found
}

func readSysctls(names []string) (map[string]string, error) {
	values := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(sysctlPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not every kernel has every setting
		}
		if err != nil {
			return nil, fmt.Errorf("read kernel setting: %w", err)
		}
		values[name] = strings.TrimSpace(string(data))
	}
	return values, nil
}

// Current says whether the journal was written in this boot. What the cluster
// put into the kernel is gone after another one.
func (j Journal) Current() bool {
	boot, err := proc.BootID()
	return err == nil && boot == j.BootID
}

// RestoreSysctls sets back what the cluster changed, if it was in this boot.
func (j Journal) RestoreSysctls() error {
	if !j.Current() {
		return nil
	}
	var failures error
	for name, before := range j.Sysctls {
		now, err := os.ReadFile(sysctlPath(name))
		if err == nil && strings.TrimSpace(string(now)) == before {
			continue
		}
		if err := os.WriteFile(sysctlPath(name), []byte(before), 0o644); err != nil {
			failures = errors.Join(failures, fmt.Errorf("restore kernel setting: %w", err))
		}
	}
	return failures
}

// Made returns the directories that were not there before, children first.
func (j Journal) Made() []string {
	var made []string
	for _, path := range directories() {
		if before, known := j.Directories[path]; known && !before {
			made = append([]string{path}, made...)
		}
	}
	return made
}
