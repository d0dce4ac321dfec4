package build

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// small is a builder of a program that compiles at once.
func small(t *testing.T) (Builder, program) {
	t.Helper()
	b := Builder{Source: t.TempDir(), Cache: layout.Cache{Root: t.TempDir()}, Progress: progress.New(t.Output())}
	write(t, filepath.Join(b.Source, "tiny", "go.mod"), "module tiny\n\ngo 1.26\n")
	write(t, filepath.Join(b.Source, "tiny", "main.go"), "package main\n\nfunc main() {}\n")
	return b, program{name: "tiny", what: "building", dir: "tiny", finish: func(string, string) error { return nil }}
}

func TestKey(t *testing.T) {
	t.Parallel()
	b, p := small(t)
	key := func(p program) string {
		t.Helper()
		got, err := b.key(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := key(p)
	write(t, filepath.Join(b.Source, "tiny", "main_test.go"), "package main\n")
	write(t, filepath.Join(b.Source, "tiny", "README.md"), "tiny")
	if key(p) != first {
		t.Error("tests and texts are no part of a program")
	}
	flagged := p
	flagged.ldflags = "-X main.version=2"
	if key(flagged) == first {
		t.Error("another version has the same key")
	}
	write(t, filepath.Join(b.Source, "tiny", "go.sum"), "\n")
	second := key(p)
	if second == first {
		t.Error("other dependencies have the same key")
	}
	write(t, filepath.Join(b.Source, "tiny", "main.go"), "package main\n\nfunc main() { println() }\n")
	if key(p) == second {
		t.Error("another source has the same key")
	}
}

func TestEnsureBuildsOnce(t *testing.T) {
	t.Parallel()
	b, p := small(t)
	builds := 0
	p.finish = func(dir, binary string) error {
		builds++
		return os.Symlink(filepath.Base(binary), filepath.Join(dir, "alias"))
	}
	var dirs [2]string
	for i := range dirs {
		dir, err := b.ensure(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		dirs[i] = dir
	}
	if builds != 1 || dirs[0] != dirs[1] {
		t.Errorf("built %d times, in %v", builds, dirs)
	}
	if info, err := os.Stat(filepath.Join(dirs[0], "alias")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("no program: %v, %v", info, err)
	}
}

func TestEnsureFails(t *testing.T) {
	t.Parallel()
	b, p := small(t)
	write(t, filepath.Join(b.Source, "tiny", "main.go"), "package main\n\nfunc main() { undefined() }\n")
	if _, err := b.ensure(t.Context(), p); err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("the compiler's words are missing: %v", err)
	}
	built, err := filepath.Glob(b.Cache.Build("tiny-*"))
	if err != nil || len(built) > 0 {
		t.Errorf("a failed build is in the cache: %v, %v", built, err)
	}
}

func TestOldest(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	used := map[string]time.Time{"a": now, "b": now.Add(-time.Hour), "c": now.Add(time.Hour), "d": now.Add(-time.Minute)}
	if diff := cmp.Diff([]string{"d", "b"}, oldest(used, 2)); diff != "" {
		t.Errorf("the two used last are kept: -want +got\n%s", diff)
	}
	if got := oldest(used, 9); len(got) != 0 {
		t.Errorf("few enough: %v", got)
	}
}

func TestPackIsReproducible(t *testing.T) {
	t.Parallel()
	var digests [2]string
	for i := range digests {
		dir := t.TempDir()
		binary := filepath.Join(dir, "pause")
		write(t, binary, "program")
		if err := Pack(layout.PauseImage, binary, filepath.Join(dir, archive)); err != nil {
			t.Fatal(err)
		}
		image, err := tarball.ImageFromPath(filepath.Join(dir, archive), nil)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"/pause"}, config.Config.Entrypoint); diff != "" || config.Config.User != nobody {
			t.Errorf("user %s, entrypoint: -want +got\n%s", config.Config.User, diff)
		}
		digest, err := image.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		digests[i] = digest.String()
	}
	if digests[0] != digests[1] {
		t.Errorf("the same program makes different images: %v", digests)
	}
}
