package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/kube"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
)

func TestPoll(t *testing.T) {
	t.Parallel()
	asked := 0
	err := poll(t.Context(), time.Minute, &progress.Detail{}, func(context.Context) error {
		if asked++; asked < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || asked != 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestPollGivesUp(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	err := poll(t.Context(), time.Minute, &progress.Detail{}, func(context.Context) error { return permanent{broken} })
	if !errors.Is(err, broken) {
		t.Errorf("an error that stays: %v", err)
	}
	err = poll(t.Context(), time.Millisecond, &progress.Detail{}, func(context.Context) error { return broken })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "not after 1ms") {
		t.Errorf("after the time limit: %v", err)
	}
}

func TestForgetOldBoot(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	mark := func(content string) {
		for path, text := range map[string]string{state.Run("boot-id"): content, state.Run("old"): ""} {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	mark("another boot")
	if err := forgetOldBoot(state); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(state.Run("old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("sockets and pid files of another boot are left: %v", err)
	}
	this, err := os.ReadFile(state.Run("boot-id"))
	if err != nil {
		t.Fatal(err)
	}
	mark(string(this))
	if err := forgetOldBoot(state); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(state.Run("old")); err != nil {
		t.Errorf("files of this boot are gone: %v", err)
	}
}

func TestRecycleOneRefusesForeignPaths(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	dir := t.TempDir()
	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, volume := range []kube.Volume{
		{Name: "weft-local-00", Path: dir},
		{Name: "weft-local-00", Path: state.Volume(1)},
		{Name: "other", Path: state.Volume(0)},
	} {
		if err := recycleOne(t.Context(), state, nil, volume); err == nil {
			t.Errorf("%+v was emptied", volume)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := empty(dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v; the directory itself stays", entries, err)
	}
}

func TestConfigHash(t *testing.T) {
	t.Parallel()
	state := layout.State{Root: t.TempDir()}
	certificate := state.PKI("a.crt")
	commands := [][]string{{"etcd"}}
	hash := func(file, cert string) string {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(certificate), 0o755), os.WriteFile(certificate, []byte(cert), 0o600)); err != nil {
			t.Fatal(err)
		}
		got, err := configHash(state, map[string][]byte{"/f": []byte(file)}, commands)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := hash("x", "c")
	if hash("x", "c") != first {
		t.Error("the same configuration would restart the components")
	}
	if hash("y", "c") == first || hash("x", "d") == first {
		t.Error("a change of a file or a certificate goes unnoticed")
	}
	commands = [][]string{{"etcd", "--debug"}}
	if hash("x", "c") == first {
		t.Error("a change of a command line goes unnoticed")
	}
}

func TestKubeconfigWithoutCluster(t *testing.T) {
	t.Parallel()
	c := Cluster{State: layout.State{Root: t.TempDir()}}
	if _, err := c.Kubeconfig(); err == nil || !strings.Contains(err.Error(), "make up") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if c.running() {
		t.Error("a supervisor that was never started runs")
	}
}
