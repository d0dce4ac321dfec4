// Package images builds the container images of Weft, and of Postgres and
// Redis where they cannot be pulled.
package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/weft-run/weft/hack/dev/internal/command"
	"github.com/weft-run/weft/hack/image"
	"github.com/weft-run/weft/hack/image/database"
	"github.com/weft-run/weft/hack/image/debian"
)

// buildTimeout bounds one run of the compiler: cold, on two cores, our
// programs take about three minutes.
const buildTimeout = 30 * time.Minute

// Image is an image as an archive on disk.
type Image struct {
	Name    string // operator, runtime, portal, postgres, redis
	Tag     string // made of the content
	Archive string
}

// Repository is the name of the image without tag, below a registry or, when
// that is empty, below the one that the chart names.
func (i Image) Repository(registry string) string {
	if registry == "" {
		registry = "docker.io/weft"
	}
	return registry + "/" + i.Name
}

// Reference is the full name of the image.
func (i Image) Reference(registry string) string { return i.Repository(registry) + ":" + i.Tag }

// Open reads the image from its archive.
func (i Image) Open() (v1.Image, error) {
	img, err := tarball.ImageFromPath(i.Archive, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the archive of %s: %w", i.Name, err)
	}
	return img, nil
}

// Builder builds images and keeps their archives in Cache.
type Builder struct {
	Root  string // of the repository
	Cache string
}

// programs are our own programs and the folders of their sources.
var programs = []struct{ name, source string }{ //nolint:gochecknoglobals // a table
	{"operator", "./controllers/cmd/operator"},
	{"runtime", "./runtime/cmd/runtime"},
	{"portal", "./portal/cmd/portal"},
}

// Weft builds our own programs and their images.
func (b Builder) Weft(ctx context.Context) ([]Image, error) {
	bin := filepath.Join(b.Cache, "bin")
	var sources []string
	for _, p := range programs {
		sources = append(sources, p.source)
	}
	if err := b.compile(ctx, b.Root, bin, sources...); err != nil {
		return nil, err
	}
	var built []Image
	for _, p := range programs {
		img, err := image.Program(p.name, filepath.Join(bin, p.name))
		if err != nil {
			return nil, fmt.Errorf("making the image of %s: %w", p.name, err)
		}
		i, err := b.archive(p.name, img)
		if err != nil {
			return nil, err
		}
		built = append(built, i)
	}
	return built, nil
}

// Databases makes the images of Postgres and Redis out of Debian's packages.
// When that fails, the machine's package lists may be missing or name packages
// that the servers have replaced: it fetches new ones and tries once more.
func (b Builder) Databases(ctx context.Context) ([]Image, error) {
	built, err := b.databases(ctx)
	if err == nil {
		return built, nil
	}
	if errUpdate := debian.Update(ctx); errUpdate != nil {
		return nil, errors.Join(err, fmt.Errorf("fetching Debian's package lists: %w", errUpdate))
	}
	return b.databases(ctx)
}

func (b Builder) databases(ctx context.Context) ([]Image, error) {
	key, err := b.debianKey()
	if err != nil {
		return nil, err
	}
	archive := debian.Archive{Cache: filepath.Join(b.Cache, "debian")}
	postgres, err := b.cached("postgres", key, func() (v1.Image, error) { return b.postgres(ctx, archive) })
	if err != nil {
		return nil, err
	}
	redis, err := b.cached("redis", key, func() (v1.Image, error) { return database.Redis(ctx, archive, database.RedisSet()) })
	if err != nil {
		return nil, err
	}
	return []Image{postgres, redis}, nil
}

// postgres compiles the entrypoint and makes the image.
func (b Builder) postgres(ctx context.Context, archive debian.Archive) (v1.Image, error) {
	set, err := database.PostgresSet(ctx)
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(b.Cache, "bin", "entrypoint")
	if err := b.compile(ctx, filepath.Join(b.Root, "hack", "image"), bin, "./cmd/postgres"); err != nil {
		return nil, err
	}
	return database.Postgres(ctx, archive, set, filepath.Join(bin, "postgres"))
}

// compile builds static programs into a folder. The same sources give the same
// bytes on every machine.
func (b Builder) compile(ctx context.Context, dir, bin string, sources ...string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return fmt.Errorf("making a folder for programs: %w", err)
	}
	args := []string{"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bin + "/"}
	return command.Run(ctx, command.Command{
		Args: append(args, sources...), Dir: dir, Timeout: buildTimeout,
		Env: []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOFLAGS="},
	})
}

// cached makes an image unless one was made under the same key.
func (b Builder) cached(name, key string, build func() (v1.Image, error)) (Image, error) {
	mark := filepath.Join(b.Cache, "images", name+"-"+key+".tag")
	if tag, err := os.ReadFile(mark); err == nil {
		i := Image{Name: name, Tag: string(tag), Archive: b.archivePath(name, string(tag))}
		if _, err := os.Stat(i.Archive); err == nil {
			return i, nil
		}
	}
	img, err := build()
	if err != nil {
		return Image{}, err
	}
	i, err := b.archive(name, img)
	if err != nil {
		return Image{}, err
	}
	if err := removeAll(filepath.Join(b.Cache, "images", name+"-*.tag")); err != nil {
		return Image{}, err
	}
	if err := os.WriteFile(mark, []byte(i.Tag), 0o600); err != nil {
		return Image{}, fmt.Errorf("remembering the image of %s: %w", name, err)
	}
	return i, nil
}

// debianKey is made of what decides which packages are taken and what becomes
// of them: the package lists and the sources in hack/image.
func (b Builder) debianKey() (string, error) {
	hash := sha256.New()
	lists, err := filepath.Glob("/var/lib/apt/lists/*Packages*")
	if err != nil {
		return "", fmt.Errorf("looking for package lists: %w", err)
	}
	for _, path := range lists {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("reading the package lists: %w", err)
		}
		fmt.Fprintln(hash, path, info.Size(), info.ModTime().UnixNano())
	}
	sources := os.DirFS(filepath.Join(b.Root, "hack", "image"))
	err = fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(sources, path)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		fmt.Fprintf(hash, "%s %x\n", path, sha256.Sum256(data))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("reading the sources of hack/image: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

func (b Builder) archivePath(name, tag string) string {
	return filepath.Join(b.Cache, "images", name+"-"+tag+".tar")
}

// archive writes an image to disk, unless it is there, and removes older
// archives of the same name.
func (b Builder) archive(name string, img v1.Image) (Image, error) {
	tag, err := image.Tag(img)
	if err != nil {
		return Image{}, err
	}
	i := Image{Name: name, Tag: tag, Archive: b.archivePath(name, tag)}
	if _, err := os.Stat(i.Archive); err == nil {
		return i, nil
	}
	if err := os.MkdirAll(filepath.Dir(i.Archive), 0o755); err != nil {
		return Image{}, fmt.Errorf("making a folder for images: %w", err)
	}
	if err := removeAll(b.archivePath(name, "*")); err != nil {
		return Image{}, err
	}
	return i, image.WriteArchive(i.Archive, i.Reference(""), img)
}

// removeAll removes the files that a pattern names.
func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("listing old files: %w", err)
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an old file: %w", err)
		}
	}
	return nil
}
