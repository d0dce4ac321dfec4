package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/certs"
	"github.com/weft-run/weft/hack/cluster/internal/cgroup"
	"github.com/weft-run/weft/hack/cluster/internal/config"
	"github.com/weft-run/weft/hack/cluster/internal/host"
	"github.com/weft-run/weft/hack/cluster/internal/journal"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/manifests"
	"github.com/weft-run/weft/hack/cluster/internal/mounts"
	"github.com/weft-run/weft/hack/cluster/internal/network"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/proc"
	"github.com/weft-run/weft/hack/cluster/internal/teardown"
)

// prepare makes everything the components find when they start, writes down
// first what was there before, and completes the spec. It returns the objects
// to apply once the API server runs.
func (c Cluster) prepare(ctx context.Context, spec *node.Spec) (objects []byte, err error) {
	if err := c.record(ctx); err != nil {
		return nil, err
	}
	if err := forgetOldBoot(c.State); err != nil {
		return nil, err
	}
	if err := makeDirectories(c.State); err != nil {
		return nil, err
	}
	tree, err := cgroup.Detect()
	if err != nil {
		return nil, err
	}
	if err := tree.Create(); err != nil {
		return nil, err
	}
	if err := network.Ensure(ctx, c.State); err != nil {
		return nil, err
	}
	if err := certs.Ensure(c.State, time.Now()); err != nil {
		return nil, err
	}
	machine, err := c.machine()
	if err != nil {
		return nil, err
	}
	files, err := config.Render(c.State, machine)
	if err != nil {
		return nil, err
	}
	if spec.ConfigHash, err = configHash(c.State, files, node.CommandLines(*spec)); err != nil {
		return nil, err
	}
	if err := config.Write(files); err != nil {
		return nil, err
	}
	return manifests.Render(c.State, machine.Nameservers)
}

// record refuses a machine that is not free for the cluster, and writes down what
// it looks like.
func (c Cluster) record(ctx context.Context) error {
	if err := errors.Join(network.CheckOwner(c.State), teardown.CheckState(c.State)); err != nil {
		return err
	}
	if err := network.CheckRanges(ctx); err != nil {
		return err
	}
	drops, err := network.DropsForwarded(ctx)
	if err != nil {
		return err
	}
	if drops {
		c.Progress.Say("this machine drops forwarded packets; if pods cannot reach each other: iptables -P FORWARD ACCEPT")
	}
	firewall, err := network.Firewall(ctx)
	if err != nil {
		return err
	}
	_, err = journal.Record(c.State.Journal(), firewall)
	return err
}

// forgetOldBoot removes what was only true until the machine was restarted.
func forgetOldBoot(state layout.State) error {
	boot, err := proc.BootID()
	if err != nil {
		return err
	}
	mark := state.Run("boot-id")
	have, err := os.ReadFile(mark)
	if err == nil && string(have) == boot {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the boot of the last start: %w", err)
	}
	run := filepath.Dir(mark)
	if err := mounts.UnmountBelow(run); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(run), os.MkdirAll(run, 0o700)); err != nil {
		return fmt.Errorf("clear the files of the last boot: %w", err)
	}
	return proc.WriteFile(mark, []byte(boot), 0o600)
}

func makeDirectories(state layout.State) error {
	private := []string{
		filepath.Dir(state.Log("x")), filepath.Dir(state.Bin("x")),
		state.Data("etcd"), state.Data("containerd"), state.Data("containerd-opt"),
		state.Data("kubelet"), state.Data("kubelet-pki"), state.Data("volume-plugins"), state.Data("cni"),
	}
	for _, dir := range private {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make a directory of the cluster: %w", err)
		}
	}
	for _, volume := range manifests.Volumes(state) {
		if err := os.MkdirAll(volume.Path, 0o755); err != nil {
			return fmt.Errorf("make a volume: %w", err)
		}
		// Pods run as many users, and not all ask for the group's ownership.
		if err := os.Chmod(volume.Path, 0o777); err != nil {
			return fmt.Errorf("open a volume to pods: %w", err)
		}
	}
	return nil
}

// machine finds out what the configuration depends on.
func (c Cluster) machine() (config.Machine, error) {
	snapshotter, err := host.Snapshotter(c.State.Data("containerd"))
	if err != nil {
		return config.Machine{}, err
	}
	var texts []string
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return config.Machine{}, fmt.Errorf("find the name servers: %w", err)
		}
		texts = append(texts, string(text))
	}
	servers := config.Nameservers(texts...)
	if len(servers) == 0 {
		c.Progress.Say("no name server in /etc/resolv.conf that pods can reach: they will resolve names of the cluster only")
	}
	return config.Machine{Snapshotter: snapshotter, Nameservers: servers}, nil
}

// configHash covers all that a component only reads when it starts.
func configHash(state layout.State, files map[string][]byte, commands [][]string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%q\n", commands) // a hash never fails
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%s %x\n", path, sha256.Sum256(files[path]))
	}
	certificates, err := filepath.Glob(state.PKI("*.crt"))
	if err != nil {
		return "", fmt.Errorf("list certificates: %w", err)
	}
	for _, path := range certificates {
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read certificate: %w", err)
		}
		fmt.Fprintf(hash, "%s %x\n", path, sha256.Sum256(data))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
