package mounts_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/hack/cluster/internal/mounts"
)

const table = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 22 0:27 / /var/lib/weft-cluster rw - ext4 /dev/vdb rw
32 22 0:28 / /var/lib/weft-cluster/run/shm rw - tmpfs shm rw
33 22 0:29 / /var/lib/weft-cluster-other/run rw - tmpfs shm rw
34 22 0:30 / /var/lib/weft-cluster/with\040blank rw master:1 - overlay overlay rw,lowerdir=/a
`

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := mounts.Parse(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	want := mounts.Mount{
		Point: "/var/lib/weft-cluster/with blank", Type: "overlay", Options: []string{"rw", "lowerdir=/a"},
	}
	if diff := cmp.Diff(want, got[len(got)-1]); diff != "" {
		t.Errorf("optional fields are skipped and blanks are decoded: -want +got\n%s", diff)
	}
}

func TestParseDamaged(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "22 1 254:0 / / rw", "1 2 - ext4", "22 1 254:0 / / rw - ext4"} {
		if got, err := mounts.Parse(strings.NewReader(line + "\n")); err == nil {
			t.Errorf("%q was read as %v", line, got)
		}
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	all, err := mounts.Parse(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	got := mounts.Below(all, "/var/lib/weft-cluster/")
	want := []string{"/var/lib/weft-cluster/with blank", "/var/lib/weft-cluster/run/shm"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the last mount comes first; the directory itself and its namesakes stay: -want +got\n%s", diff)
	}
}

func TestUnmountBelowNothing(t *testing.T) {
	t.Parallel()
	if err := mounts.UnmountBelow(t.TempDir()); err != nil {
		t.Error(err)
	}
}
