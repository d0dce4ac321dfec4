// Package image makes container images without Docker and without a base
// image: files on an empty image, the same bytes for the same files.
package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// NonRoot is the user of images that hold one of our own programs: a number,
// so that the kubelet can see that it is not root.
const NonRoot = "65532:65532"

// tagLength is how many hexadecimal digits of an image's digest become its tag.
const tagLength = 16

// Entry is a file or a symbolic link in an image. It belongs to root and can
// be read, and executed if Mode says so, by everybody.
type Entry struct {
	Path string // without the leading slash
	Mode int64  // permission bits; 0 means 0644
	Link string // target, if it is a symbolic link
	Data []byte
}

// Spec says what an image holds and how it starts.
type Spec struct {
	Entries    []Entry
	Entrypoint []string
	Env        []string
	User       string
	StopSignal string // empty means SIGTERM
}

// Program is the image of one static program: nothing else is in it. The
// program becomes /name, and the image's entrypoint.
func Program(name, binary string) (v1.Image, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	return Build(Spec{
		Entries:    []Entry{{Path: name, Mode: 0o755, Data: data}},
		Entrypoint: []string{"/" + name},
		User:       NonRoot,
	})
}

// Build makes an image of one layer. Neither time nor order nor the machine
// changes what comes out.
func Build(s Spec) (v1.Image, error) {
	layer, err := layerOf(s.Entries)
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("adding the layer: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the empty configuration: %w", err)
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = runtime.GOARCH, "linux"
	file.Config = v1.Config{Entrypoint: s.Entrypoint, Env: s.Env, User: s.User, WorkingDir: "/", StopSignal: s.StopSignal}
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		return nil, fmt.Errorf("setting the configuration: %w", err)
	}
	return img, nil
}

// Tag is a tag made of the image's content: the same content, the same tag,
// and never another content under it.
func Tag(img v1.Image) (string, error) {
	digest, err := img.ConfigName()
	if err != nil {
		return "", fmt.Errorf("computing the digest: %w", err)
	}
	return digest.Hex[:tagLength], nil
}

// WriteArchive writes the image as an archive that containerd, Docker and kind
// can import.
func WriteArchive(file, reference string, img v1.Image) error {
	tag, err := name.NewTag(reference, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("reading the image's name: %w", err)
	}
	// An archive that was cut short must not be taken for a whole one.
	partial := file + ".partial"
	if err := tarball.WriteToFile(partial, tag, img); err != nil {
		return fmt.Errorf("writing %s: %w", partial, err)
	}
	if err := os.Rename(partial, file); err != nil {
		return fmt.Errorf("moving the archive into place: %w", err)
	}
	return nil
}

// Push sends the image to its registry, with the credentials of the user's
// Docker configuration.
func Push(ctx context.Context, reference string, img v1.Image) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("reading the image's name: %w", err)
	}
	if err := remote.Write(tag, img, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("pushing %s: %w", reference, err)
	}
	return nil
}

// layerOf packs the entries and the directories above them.
func layerOf(entries []Entry) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers(entries) {
		if err := w.WriteHeader(h.header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", h.header.Name, err)
		}
		if _, err := w.Write(h.data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", h.header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the layer: %w", err)
	}
	layer, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
		tarball.WithCompressionLevel(gzip.BestSpeed),
	)
	if err != nil {
		return nil, fmt.Errorf("making the layer: %w", err)
	}
	return layer, nil
}

// packed is one member of the layer.
type packed struct {
	header *tar.Header
	data   []byte
}

// headers returns the members of the layer, sorted, each directory before what
// is in it.
func headers(entries []Entry) []packed {
	members := map[string]packed{}
	for _, e := range entries {
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			members[dir] = packed{header: &tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}}
		}
	}
	for _, e := range entries {
		members[e.Path] = packed{header: headerOf(e), data: e.Data}
	}
	sorted := make([]packed, 0, len(members))
	for _, m := range members {
		sorted = append(sorted, m)
	}
	slices.SortFunc(sorted, func(a, b packed) int {
		return cmp.Compare(strings.TrimSuffix(a.header.Name, "/"), strings.TrimSuffix(b.header.Name, "/"))
	})
	return sorted
}

func headerOf(e Entry) *tar.Header {
	if e.Link != "" {
		return &tar.Header{Typeflag: tar.TypeSymlink, Name: e.Path, Linkname: e.Link, Mode: 0o777}
	}
	return &tar.Header{Typeflag: tar.TypeReg, Name: e.Path, Mode: cmp.Or(e.Mode, 0o644), Size: int64(len(e.Data))}
}
