package build

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// archive is the name of an image's file in its directory of the cache.
const archive = "image.tar"

// nobody is the user of the images: any that is not root.
const nobody = "65532:65532"

// packImage returns the step that puts a static program on an empty image and
// keeps nothing else.
func packImage(reference string) func(dir, binary string) error {
	return func(dir, binary string) error {
		if err := Pack(reference, binary, filepath.Join(dir, archive)); err != nil {
			return err
		}
		return os.Remove(binary)
	}
}

// Pack writes an image archive with one static program, which is the image's
// entrypoint.
func Pack(reference, binary, target string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("name of the image: %w", err)
	}
	image, err := imageOf(binary)
	if err != nil {
		return fmt.Errorf("make image %s: %w", reference, err)
	}
	if err := tarball.WriteToFile(target, tag, image); err != nil {
		return fmt.Errorf("write image %s: %w", reference, err)
	}
	return nil
}

func imageOf(binary string) (v1.Image, error) {
	layer, err := layerOf(binary)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Architecture = runtime.GOARCH
	config.OS = "linux"
	config.Config = v1.Config{
		Entrypoint: []string{"/" + filepath.Base(binary)},
		User:       nobody,
		WorkingDir: "/",
	}
	return mutate.ConfigFile(image, config)
}

// layerOf is a layer with the one file, without anything that changes between
// two builds of the same program.
func layerOf(binary string) (v1.Layer, error) {
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	header := &tar.Header{Name: filepath.Base(binary), Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
	if err := writer.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil
	})
}
