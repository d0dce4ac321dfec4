package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordKeepsTheFirst(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "journal.json")
	first, err := Record(path, Firewall{Tables: []string{"inet firewalld"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Record(path, Firewall{Tables: []string{"inet firewalld", "ip kube-proxy"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("a repeated start would take its own tables for the machine's: -first +second\n%s", diff)
	}
	if !first.Current() || first.Sysctls["net/ipv4/ip_forward"] == "" {
		t.Errorf("incomplete: %+v", first)
	}
}

func TestRecordAfterRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.json")
	old := Journal{
		BootID: "before", Tables: []string{"ip old"}, Sysctls: map[string]string{"kernel/panic": "77"},
		Directories: map[string]bool{"/run/containerd": false, "/etc/cni": true},
	}
	data, err := json.Marshal(old)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if old.Current() || old.RestoreSysctls() != nil {
		t.Error("the journal of another boot must not change this one")
	}
	got, err := Record(path, Firewall{Tables: []string{"ip new"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(old.Directories, got.Directories); diff != "" {
		t.Errorf("directories outlive a restart, so what is known of them stays: -want +got\n%s", diff)
	}
	if !slices.Equal(got.Tables, []string{"ip new"}) || got.Sysctls["kernel/panic"] == "77" {
		t.Errorf("the kernel's state is that of this boot: %+v", got)
	}
}

func TestMade(t *testing.T) {
	t.Parallel()
	j := Journal{Directories: map[string]bool{"/var/lib/cni": false, "/var/lib/cni/results": false, "/etc/cni": true}}
	if diff := cmp.Diff([]string{"/var/lib/cni/results", "/var/lib/cni"}, j.Made()); diff != "" {
		t.Errorf("children come first, what was there or is unknown stays: -want +got\n%s", diff)
	}
	if got := (Journal{}).Made(); len(got) != 0 {
		t.Errorf("without a journal nothing is known to be ours: %v", got)
	}
}

func TestReadDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a damaged journal must not look like an empty one")
	}
}
