package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/mounts"
)

func TestFromMounts(t *testing.T) {
	t.Parallel()
	one := func(controllers ...string) mounts.Mount {
		return mounts.Mount{Point: "/cg/" + controllers[0], Type: "cgroup", Options: append([]string{"rw"}, controllers...)}
	}
	two := mounts.Mount{Point: "/cg/unified", Type: "cgroup2", Options: []string{"rw"}}
	type want struct {
		Tree  Tree
		Fails bool
	}
	cases := map[string]struct {
		reason string
		mounts []mounts.Mount
		want   want
	}{
		"One": {
			reason: "every hierarchy of version 1 counts, also one with two controllers",
			mounts: []mounts.Mount{one("cpu", "cpuacct"), one("memory")},
			want:   want{Tree: Tree{Roots: []string{"/cg/cpu", "/cg/memory"}}},
		},
		"Hybrid": {
			reason: "with the controllers in version 1, version 2 is only looked at",
			mounts: []mounts.Mount{one("memory"), two},
			want:   want{Tree: Tree{Roots: []string{"/cg/memory"}, Extra: []string{"/cg/unified"}}},
		},
		"Two": {
			reason: "version 2 alone is one tree",
			mounts: []mounts.Mount{{Point: "/", Type: "ext4"}, two},
			want:   want{Tree: Tree{Unified: true, Roots: []string{"/cg/unified"}}},
		},
		"NamedOnly": {
			reason: "systemd's hierarchy without controllers does not make it version 1",
			mounts: []mounts.Mount{one("name=systemd"), two},
			want:   want{Tree: Tree{Unified: true, Roots: []string{"/cg/unified"}}},
		},
		"None": {
			reason: "a machine without cgroups cannot run pods",
			mounts: []mounts.Mount{{Point: "/", Type: "ext4"}},
			want:   want{Fails: true},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, _, err := fromMounts(tc.mounts)
			if diff := cmp.Diff(tc.want, want{Tree: tree, Fails: err != nil}); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseProcesses(t *testing.T) {
	t.Parallel()
	got := parseProcesses("0\n1\n42\nx\n7\n")
	if diff := cmp.Diff([]int{42, 7}, got); diff != "" {
		t.Errorf("0 and 1 are never signalled: -want +got\n%s", diff)
	}
}

// fake makes a directory that looks like two hierarchies of version 1.
func fake(t *testing.T) Tree {
	t.Helper()
	dir := t.TempDir()
	tree := Tree{Roots: []string{filepath.Join(dir, "cpuset"), filepath.Join(dir, "pids")}}
	for _, root := range tree.Roots {
		write(t, filepath.Join(root, "cgroup.procs"), "1\n")
	}
	return tree
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCPUSetIsInherited(t *testing.T) {
	t.Parallel()
	tree := fake(t)
	parent, group := tree.Roots[0], filepath.Join(tree.Roots[0], layout.CgroupRoot)
	write(t, filepath.Join(parent, "cpuset.cpus"), "0-1\n")
	write(t, filepath.Join(parent, "cpuset.mems"), "0\n")
	write(t, filepath.Join(group, "cpuset.cpus"), "\n")
	write(t, filepath.Join(group, "cpuset.mems"), "1\n")
	if err := inheritCPUSet(group); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "1\n"} {
		if got, err := os.ReadFile(filepath.Join(group, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; an empty one is filled, a set one stays", name, got, err)
		}
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	tree := fake(t)
	write(t, filepath.Join(tree.Roots[0], layout.CgroupRoot, System, "cgroup.procs"), "10\n11\n")
	write(t, filepath.Join(tree.Roots[1], layout.CgroupRoot, System, "cgroup.procs"), "11\n")
	write(t, filepath.Join(tree.Roots[1], layout.CgroupRoot, "kubepods", "pod1", "cgroup.procs"), "20\n")
	for group, want := range map[string][]int{"": {10, 11, 20}, System: {10, 11}, Shims: nil} {
		got, err := tree.Processes(group)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("group %q has %v, want %v", group, got, want)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	tree := fake(t)
	for _, root := range tree.Roots {
		if err := os.MkdirAll(filepath.Join(root, layout.CgroupRoot, "kubepods", "pod1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if !tree.Exists() {
		t.Error("groups are not seen")
	}
	if err := tree.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tree.Exists() {
		t.Error("groups are left")
	}
	if _, err := os.Stat(filepath.Join(tree.Roots[0], "cgroup.procs")); err != nil {
		t.Errorf("the machine's own group is touched: %v", err)
	}
	if err := tree.Remove(t.Context()); err != nil {
		t.Errorf("removing nothing fails: %v", err)
	}
}

func TestCreateUnified(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	tree := Tree{Unified: true, Roots: []string{root}}
	top := filepath.Join(root, layout.CgroupRoot)
	for _, dir := range []string{root, top} {
		write(t, filepath.Join(dir, "cgroup.controllers"), "cpuset cpu io memory hugetlb pids rdma misc\n")
	}
	if err := tree.Create(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, top} {
		got, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if want := "+cpuset +cpu +io +memory +hugetlb +pids"; err != nil || string(got) != want {
			t.Errorf("%s offers %q, %v, want %q", dir, got, err, want)
		}
	}
	for _, group := range []string{System, Shims} {
		// A group with processes must not offer controllers to children.
		if _, err := os.Stat(filepath.Join(top, group, "cgroup.subtree_control")); !os.IsNotExist(err) {
			t.Errorf("group %s: %v", group, err)
		}
		if _, err := os.Stat(filepath.Join(top, group)); err != nil {
			t.Error(err)
		}
	}
}
