// Package database makes images of Postgres and Redis out of Debian's
// packages, for clusters that cannot pull any.
package database

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/weft-run/weft/hack/image"
	"github.com/weft-run/weft/hack/image/debian"
)

// User is whom both servers run as, in our images and in the well-known ones.
const User = "999:999"

// accounts are the files in which programs look up their own user. Postgres
// does not start as a user without a name.
func accounts() []image.Entry {
	return []image.Entry{
		{Path: "etc/passwd", Data: []byte("root:x:0:0:root:/root:/sbin/nologin\nserver:x:999:999::/tmp:/sbin/nologin\n")},
		{Path: "etc/group", Data: []byte("root:x:0:\nserver:x:999:\n")},
		{Path: "etc/nsswitch.conf", Data: []byte("passwd: files\ngroup: files\nhosts: files dns\n")},
	}
}

// PostgresSet returns the packages of the Postgres that Debian's metapackage
// stands for, and which of their files a server needs.
func PostgresSet(ctx context.Context) (debian.Set, error) {
	version, err := postgresVersion(ctx)
	if err != nil {
		return debian.Set{}, err
	}
	home := "usr/lib/postgresql/" + version
	return debian.Set{
		Packages: []string{"postgresql-" + version, "postgresql-client-" + version, "tzdata", "dash", "libc-bin"},
		// The just-in-time compiler is 100 MB and of no use to short queries.
		Skip: []string{"libllvm14", "libllvm15", "libllvm16", "libllvm19"},
		Want: func(p string) bool {
			switch {
			case strings.HasPrefix(p, home+"/lib/bitcode"), strings.HasPrefix(path.Base(p), "llvmjit"):
				return false
			case strings.HasPrefix(p, home+"/bin/"), strings.HasPrefix(p, home+"/lib/"):
				return true
			case strings.HasPrefix(p, "usr/share/postgresql/"+version+"/"):
				return !strings.Contains(p, "/man/")
			case strings.HasPrefix(p, "usr/share/zoneinfo/"):
				return !strings.HasPrefix(p, "usr/share/zoneinfo/right/") && !strings.HasPrefix(p, "usr/share/zoneinfo/posix/")
			}
			// initdb starts its helpers through a shell; C.UTF-8 is the locale.
			return p == "bin/dash" || p == "bin/sh" || strings.HasPrefix(p, "usr/lib/locale/C.utf8/")
		},
	}, nil
}

// Postgres makes the image; entrypoint is the compiled program of
// hack/image/cmd/postgres.
func Postgres(ctx context.Context, a debian.Archive, s debian.Set, entrypoint string) (v1.Image, error) {
	entries, err := a.Entries(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("unpacking Postgres: %w", err)
	}
	program, err := os.ReadFile(entrypoint)
	if err != nil {
		return nil, fmt.Errorf("reading the entrypoint: %w", err)
	}
	version := strings.TrimPrefix(s.Packages[0], "postgresql-")
	entries = append(entries, accounts()...)
	entries = append(entries, image.Entry{Path: "entrypoint", Mode: 0o755, Data: program})
	return image.Build(image.Spec{
		Entries:    entries,
		Entrypoint: []string{"/entrypoint"},
		Env:        []string{"PATH=/usr/lib/postgresql/" + version + "/bin:/bin", "LANG=C.UTF-8"},
		User:       User,
		// SIGTERM would wait until the last client leaves.
		StopSignal: "SIGINT",
	})
}

// RedisSet returns the packages of Redis and which of their files it needs.
func RedisSet() debian.Set {
	return debian.Set{
		Packages: []string{"redis-server", "redis-tools"},
		Want: func(p string) bool {
			return p == "usr/bin/redis-server" || p == "usr/bin/redis-cli"
		},
	}
}

// Redis makes the image.
func Redis(ctx context.Context, a debian.Archive, s debian.Set) (v1.Image, error) {
	entries, err := a.Entries(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("unpacking Redis: %w", err)
	}
	return image.Build(image.Spec{
		Entries: append(entries, accounts()...),
		Env:     []string{"PATH=/usr/bin", "LANG=C.UTF-8"},
		User:    User,
	})
}

// postgresVersion asks which major version the metapackage depends on.
func postgresVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", "postgresql").Output()
	if err != nil {
		return "", fmt.Errorf("asking apt-cache for Postgres: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: postgresql-"); ok && !strings.Contains(v, "common") {
			return v, nil
		}
	}
	return "", fmt.Errorf("the package postgresql depends on no postgresql-N: are the package lists missing? Try apt-get update")
}
