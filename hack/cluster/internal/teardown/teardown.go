// Package teardown removes a local cluster from the machine, in whatever state
// it is: running, half started, killed, or from before a restart.
package teardown

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/cgroup"
	"github.com/weft-run/weft/hack/cluster/internal/journal"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/mounts"
	"github.com/weft-run/weft/hack/cluster/internal/network"
)

// timeout of one step.
const timeout = time.Minute

// step is one part of the work.
type step struct {
	what string
	do   func(context.Context) error
	// essential steps must succeed before the next ones make sense. The others
	// are all tried.
	essential bool
}

// Run removes everything. It can be repeated after it failed or was killed: the
// journal goes last.
func Run(ctx context.Context, state layout.State, say func(format string, args ...any)) error {
	if err := errors.Join(network.CheckOwner(state), CheckState(state)); err != nil {
		return err
	}
	before, err := journal.Read(state.Journal())
	if err != nil {
		return err
	}
	var failures error
	for _, s := range steps(state, before) {
		say("%s", s.what)
		limited, cancel := context.WithTimeout(ctx, timeout)
		err := s.do(limited)
		cancel()
		if err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", s.what, err))
		}
		if err != nil && s.essential {
			break
		}
	}
	if failures != nil {
		return failures // the journal is still needed
	}
	say("removing %s", state.Root)
	return removeState(state)
}

// CheckState fails when the state directory holds something that is not a
// cluster's: it would be deleted with the cluster.
func CheckState(state layout.State) error {
	entries, err := os.ReadDir(state.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the state directory: %w", err)
	}
	if _, err := os.Stat(state.Journal()); err == nil {
		return nil
	}
	for _, entry := range entries {
		// A first start that was killed may leave half a journal.
		if !strings.HasPrefix(entry.Name(), ".tmp-") {
			return fmt.Errorf("%s holds files that are not a cluster's, such as %s; choose another WEFT_CLUSTER_DIR", state.Root, entry.Name())
		}
	}
	return nil
}

func steps(state layout.State, before journal.Journal) []step {
	return []step{
		{what: "ending processes", do: killAll, essential: true},
		{what: "removing shims' sockets", do: func(context.Context) error { return removeShimSockets(state) }},
		{what: "unmounting", do: func(context.Context) error { return mounts.UnmountBelow(state.Root) }, essential: true},
		{what: "removing cgroups", do: removeCgroups},
		{what: "removing network devices and rules", do: func(ctx context.Context) error { return network.Remove(ctx, before) }},
		{what: "restoring kernel settings", do: func(context.Context) error { return before.RestoreSysctls() }},
		{what: "removing files outside of the state directory", do: func(context.Context) error { return removeOutside(state, before) }},
	}
}

// killAll ends the supervisor, the components, the shims and the pods: they are
// all in the cluster's cgroup.
func killAll(ctx context.Context) error {
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	return tree.Kill(ctx, "")
}

func removeCgroups(ctx context.Context) error {
	tree, err := cgroup.Detect()
	if err != nil {
		return err
	}
	return tree.Remove(ctx)
}

// removeShimSockets deletes the sockets that killed shims left in containerd's
// common directory. Each shim wrote the address of its own next to its bundle.
func removeShimSockets(state layout.State) error {
	files, err := filepath.Glob(filepath.Join(state.ContainerdState(), "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return err
	}
	var failures error
	for _, file := range files {
		address, err := os.ReadFile(file)
		if err != nil {
			failures = errors.Join(failures, err)
			continue
		}
		if socket, ours := shimSocket(string(address)); ours {
			failures = errors.Join(failures, ignoreMissing(os.Remove(socket)))
		}
	}
	return failures
}

// shimSocket returns the path in a shim's address, if it is where containerd
// puts them.
func shimSocket(address string) (string, bool) {
	path, isUnix := strings.CutPrefix(strings.TrimSpace(address), "unix://")
	return path, isUnix && filepath.Dir(filepath.Clean(path)) == shimSockets
}

// removeAbandonedSockets deletes the sockets of shims that were killed together
// with all that knew of them, if the directory came with the cluster.
func removeAbandonedSockets(made []string) error {
	if !slices.Contains(made, shimSockets) {
		return nil
	}
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return err
	}
	return removeMatching(shimSockets, abandoned(string(sockets)))
}

// abandoned tells which sockets nobody listens on, from the kernel's list in
// /proc/net/unix.
func abandoned(list string) func(path string) bool {
	listening := map[string]bool{}
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 0 {
			listening[fields[len(fields)-1]] = true
		}
	}
	return func(path string) bool { return !listening[path] }
}

// removeOutside deletes what components wrote outside of the state directory:
// links to our pods' logs, results of our pod network, and the directories that
// were made for them, if nobody else uses them.
func removeOutside(state layout.State, before journal.Journal) error {
	made := before.Made()
	failures := errors.Join(
		removeAbandonedSockets(made),
		removeMatching("/var/log/containers", func(path string) bool { return linksInto(path, state.PodLogs()) }),
		removeMatching(cniResults, func(path string) bool { return namespaceBelow(path, state.Root) }),
		removeMatching(devicePlugins, func(string) bool { return slices.Contains(made, devicePlugins) }),
	)
	for _, dir := range made {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ENOTEMPTY) {
			failures = errors.Join(failures, &fs.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return failures
}

// Directories that components use whatever they are told.
const (
	shimSockets   = "/run/containerd/s"
	cniResults    = "/var/lib/cni/results"
	devicePlugins = "/var/lib/kubelet/device-plugins"
)

// resultLimit bounds what is read of a CNI result, in bytes.
const resultLimit = 1 << 20

// namespaceBelow says whether a stored result of a CNI plugin is about a network
// namespace below dir.
func namespaceBelow(path, dir string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	var stored struct {
		Result struct {
			Interfaces []struct {
				Sandbox string `json:"sandbox"`
			} `json:"interfaces"`
		} `json:"result"`
	}
	err = json.NewDecoder(io.LimitReader(file, resultLimit)).Decode(&stored)
	if errors.Join(err, file.Close()) != nil {
		return false
	}
	for _, device := range stored.Result.Interfaces {
		if strings.HasPrefix(filepath.Clean(device.Sandbox), dir+"/") {
			return true
		}
	}
	return false
}

func removeMatching(dir string, match func(path string) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failures error
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if !entry.IsDir() && match(path) {
			failures = errors.Join(failures, ignoreMissing(os.Remove(path)))
		}
	}
	return failures
}

func linksInto(path, dir string) bool {
	target, err := os.Readlink(path)
	return err == nil && strings.HasPrefix(filepath.Clean(target), dir+"/")
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeState deletes the state directory, the journal last, so that an
// interrupted removal still knows what was there before.
func removeState(state layout.State) error {
	entries, err := os.ReadDir(state.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(state.Root, entry.Name())
		if path == state.Journal() {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return os.RemoveAll(state.Root)
}
