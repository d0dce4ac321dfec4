// Package cgroup keeps all of the cluster's processes below one cgroup, so that
// every one of them can be found and stopped whatever became of its parent.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/mounts"
)

// Groups below layout.CgroupRoot. The kubelet adds its own for the pods.
const (
	// System holds the supervisor and the components.
	System = "system"
	// Shims holds containerd's shims, which outlive a restart of containerd.
	Shims = "shims"
)

// Tree is the machine's cgroup file system.
type Tree struct {
	// Unified means version 2.
	Unified bool
	// Roots is one directory for version 2, one per hierarchy for version 1.
	Roots []string
	// Extra are version 2 directories next to version 1. They have no
	// controllers and nobody is moved in them, but runc makes groups there.
	Extra []string
}

// required are the controllers without which the kubelet or runc do not work.
func required(unified bool) []string {
	if unified {
		return []string{"cpu", "cpuset", "memory", "pids"}
	}
	return []string{"cpu", "cpuacct", "cpuset", "devices", "memory", "pids"}
}

// Detect finds the cgroup file systems of this machine.
func Detect() (Tree, error) {
	all, err := mounts.Read()
	if err != nil {
		return Tree{}, err
	}
	tree, controllers, err := fromMounts(all)
	if err != nil {
		return Tree{}, err
	}
	if tree.Unified {
		data, err := os.ReadFile(filepath.Join(tree.Roots[0], "cgroup.controllers"))
		if err != nil {
			return Tree{}, fmt.Errorf("read cgroup controllers: %w", err)
		}
		controllers = strings.Fields(string(data))
	}
	if missing := without(required(tree.Unified), controllers); len(missing) > 0 {
		return Tree{}, fmt.Errorf("the kernel offers no cgroup controller %s; enable it on the kernel's command line (cgroup_enable=%s)",
			strings.Join(missing, ", "), missing[0])
	}
	return tree, nil
}

// fromMounts picks version 1 when any controller is mounted that way: then the
// kernel does not offer that controller to version 2.
func fromMounts(all []mounts.Mount) (Tree, []string, error) {
	var one, two []string
	var controllers []string
	for _, mount := range all {
		switch mount.Type {
		case "cgroup":
			one = append(one, mount.Point)
			controllers = append(controllers, mount.Options...)
		case "cgroup2":
			two = append(two, mount.Point)
		}
	}
	switch {
	case slices.Contains(controllers, "memory"):
		return Tree{Roots: one, Extra: two}, controllers, nil
	case len(two) > 0:
		return Tree{Unified: true, Roots: two[:1]}, nil, nil
	default:
		return Tree{}, nil, errors.New("no cgroup file system is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup")
	}
}

func without(wanted, have []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return slices.Contains(have, name) })
}

// paths returns the directories of a group in the hierarchies that count.
func (t Tree) paths(group string) []string { return below(t.Roots, group) }

// tops returns every directory below which the cluster may have groups.
func (t Tree) tops() []string { return below(slices.Concat(t.Roots, t.Extra), "") }

func below(roots []string, group string) []string {
	paths := make([]string, len(roots))
	for i, root := range roots {
		paths[i] = filepath.Join(root, layout.CgroupRoot, group)
	}
	return paths
}

// Exists says whether the cluster has left a group.
func (t Tree) Exists() bool {
	return slices.ContainsFunc(t.tops(), func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// Create makes the cluster's own groups.
func (t Tree) Create() error {
	for _, group := range []string{"", System, Shims} {
		for i, path := range t.paths(group) {
			if err := t.create(t.Roots[i], path); err != nil {
				return fmt.Errorf("create cgroup %s: %w", path, err)
			}
		}
	}
	return nil
}

func (t Tree) create(root, path string) error {
	if t.Unified && filepath.Dir(path) == root {
		if err := enable(root); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	switch {
	case !t.Unified:
		return inheritCPUSet(path)
	case filepath.Dir(path) == root:
		return enable(path)
	default:
		return nil
	}
}

// enable offers controllers to the children of a version 2 group: those that
// are required, and those that the kubelet insists on where they exist.
func enable(path string) error {
	available, err := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers of %s: %w", path, err)
	}
	names := slices.DeleteFunc(strings.Fields(string(available)), func(name string) bool {
		return !slices.Contains(append(required(true), "hugetlb", "io"), name)
	})
	change := "+" + strings.Join(names, " +")
	if err := os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte(change), 0o644); err != nil {
		return fmt.Errorf("enable %s for %s: %w", strings.Join(names, ", "), path, err)
	}
	return nil
}

// inheritCPUSet copies the parent's processors and memory nodes into a new
// version 1 cpuset; no process can join it while they are empty.
func inheritCPUSet(path string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		file := filepath.Join(path, name)
		have, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // not the cpuset hierarchy
		}
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(have)) != "" {
			continue
		}
		parent, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, parent, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Join moves a process into a group of every hierarchy.
func (t Tree) Join(group string, pid int) error {
	for _, path := range t.paths(group) {
		if err := os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("join cgroup %s: %w", path, err)
		}
	}
	return nil
}

// Processes returns the pids in a group and below it; the empty group means all
// of the cluster's.
func (t Tree) Processes(group string) ([]int, error) {
	dirs := t.paths(group)
	if group == "" {
		dirs = t.tops()
	}
	var pids []int
	for _, top := range dirs {
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || (err == nil && !entry.IsDir()) {
				return nil
			}
			if err != nil {
				return err
			}
			found, err := readProcesses(filepath.Join(path, "cgroup.procs"))
			pids = append(pids, found...)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list processes of cgroup %s: %w", top, err)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

func readProcesses(file string) ([]int, error) {
	data, err := os.ReadFile(file)
	// The group may vanish while it is read.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseProcesses(string(data)), nil
}

// parseProcesses skips 0, which stands for a process of another pid namespace,
// and 1, which must never be signalled.
func parseProcesses(data string) []int {
	var pids []int
	for field := range strings.FieldsSeq(data) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Kill ends every process in a group and below it, and waits until none is
// left or ctx ends.
func (t Tree) Kill(ctx context.Context, group string) error {
	self := os.Getpid()
	for {
		pids, err := t.Processes(group)
		if err != nil {
			return err
		}
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid == self })
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v of cgroup %s do not end: %w", pids, group, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Remove deletes the cluster's groups. They must be without processes; the
// kernel may need a moment after the last one ended.
func (t Tree) Remove(ctx context.Context) error {
	for _, top := range t.tops() {
		for {
			err := removeTree(top)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("remove cgroup %s: %w", top, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// removeTree removes directories only: the files in them are the kernel's.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
