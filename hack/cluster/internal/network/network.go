// Package network makes the node's device and the rule that lets pods reach the
// world, and reads and cleans the machine's packet filter.
package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// timeout of one command that changes the network.
const timeout = 20 * time.Second

// Ensure makes the node's device with its address, the route to the services
// and our nftables table. It repairs what is missing.
func Ensure(ctx context.Context, state layout.State) error {
	if err := CheckOwner(state); err != nil {
		return err
	}
	_, exists, err := Owner()
	if err != nil {
		return err
	}
	if !exists {
		if err := ip(ctx, "link", "add", "name", layout.Bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	steps := [][]string{
		{"link", "set", "dev", layout.Bridge, "alias", state.Root},
		{"link", "set", "dev", layout.Bridge, "up"},
		{"address", "replace", layout.NodeAddress + "/32", "dev", layout.Bridge},
		// The machine itself reaches ClusterIPs even without a default route,
		// and always from the node's address.
		{"route", "replace", layout.ServiceCIDR, "dev", layout.Bridge, "src", layout.NodeAddress},
	}
	for _, step := range steps {
		if err := ip(ctx, step...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the kernel forward packets: %w", err)
	}
	return nft(ctx, masquerade())
}

// masquerade replaces our table in one transaction: what a pod sends beyond the
// cluster leaves with the machine's address.
func masquerade() string {
	return fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[2]s ip daddr != { %[2]s, %[3]s, %[4]s } masquerade
	}
}
`, layout.Table, layout.PodCIDR, layout.ServiceCIDR, layout.NodeAddress)
}

func ip(ctx context.Context, args ...string) error {
	return run.Quiet(ctx, timeout, "ip", args...)
}

func nft(ctx context.Context, script string) error {
	_, err := run.Output(ctx, run.Cmd{Name: "nft", Args: []string{"-f", "-"}, Stdin: strings.NewReader(script), Timeout: timeout})
	return err
}

// Owner returns the state directory of the cluster whose device is on the
// machine. It is empty when that cluster died before it could say.
func Owner() (root string, exists bool, err error) {
	alias, err := os.ReadFile(filepath.Join("/sys/class/net", layout.Bridge, "ifalias"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("look at device %s: %w", layout.Bridge, err)
	}
	return strings.TrimSpace(string(alias)), true, nil
}

// CheckOwner fails when the machine has the cluster of another state directory.
func CheckOwner(state layout.State) error {
	owner, exists, err := Owner()
	if err != nil || !exists || owner == "" || owner == state.Root {
		return err
	}
	return fmt.Errorf("another local cluster has its state in %[1]s; remove it first: WEFT_CLUSTER_DIR=%[1]s make down", owner)
}
