package database_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/weft-run/weft/hack/image"
	"github.com/weft-run/weft/hack/image/database"
	"github.com/weft-run/weft/hack/image/debian"
)

// TestImages makes both images from Debian's real packages.
func TestImages(t *testing.T) {
	t.Parallel()
	if !debian.Available() {
		t.Skip("not a Debian machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	set, err := database.PostgresSet(ctx)
	if err != nil {
		t.Skipf("no package lists: %v", err)
	}
	archive := debian.Archive{Cache: t.TempDir()}
	entrypoint := filepath.Join(t.TempDir(), "entrypoint")
	if err := os.WriteFile(entrypoint, []byte("static"), 0o600); err != nil {
		t.Fatal(err)
	}
	postgres, err := database.Postgres(ctx, archive, set, entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	version := set.Packages[0][len("postgresql-"):]
	check(t, postgres, []string{
		"entrypoint", "bin/sh", "bin/dash", "etc/passwd", "lib64/ld-linux-x86-64.so.2", "usr/share/zoneinfo/Etc/UTC",
		"usr/lib/postgresql/" + version + "/bin/postgres", "usr/lib/postgresql/" + version + "/bin/initdb",
		"usr/share/postgresql/" + version + "/postgres.bki",
	})
	redis, err := database.Redis(ctx, archive, database.RedisSet())
	if err != nil {
		t.Fatal(err)
	}
	check(t, redis, []string{"usr/bin/redis-server", "usr/bin/redis-cli", "etc/passwd"})
}

// check looks for files, and for set-user-id bits, which nothing may have.
func check(t *testing.T, img v1.Image, want []string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	found := map[string]bool{}
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = true
		if h.Mode&0o7000 != 0 {
			t.Errorf("%s: mode %o, want no set-user-id, set-group-id or sticky bit", h.Name, h.Mode)
		}
	}
	for _, name := range want {
		if !found[name] {
			t.Errorf("%s is not in the image", name)
		}
	}
	if tag, err := image.Tag(img); err != nil || len(tag) != 16 {
		t.Errorf("Tag(...): %q, %v; want 16 digits", tag, err)
	}
}
