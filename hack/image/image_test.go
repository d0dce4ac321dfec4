package image_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/weft-run/weft/hack/image"
)

func spec() image.Spec {
	return image.Spec{
		Entries: []image.Entry{
			{Path: "usr/bin/program", Mode: 0o755, Data: []byte("program")},
			{Path: "etc/passwd", Data: []byte("root:x:0:0::/:/sbin/nologin\n")},
			{Path: "bin/sh", Link: "dash"},
		},
		Entrypoint: []string{"/usr/bin/program"},
		Env:        []string{"LANG=C.UTF-8"},
		User:       image.NonRoot,
	}
}

func TestBuildIsReproducible(t *testing.T) {
	t.Parallel()
	s := spec()
	first := archive(t, s)
	slices.Reverse(s.Entries)
	if diff := cmp.Diff(first, archive(t, s)); diff != "" {
		t.Errorf("The same files in another order must give the same archive, byte by byte:\n%.200s", diff)
	}
}

func TestTag(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*image.Spec)
		same   bool
	}{
		"Nothing":    {reason: "The same content has the same tag.", change: func(*image.Spec) {}, same: true},
		"Data":       {reason: "Another byte in a file is another image.", change: func(s *image.Spec) { s.Entries[0].Data = []byte("Program") }},
		"Mode":       {reason: "Another mode is another image.", change: func(s *image.Spec) { s.Entries[0].Mode = 0o700 }},
		"Link":       {reason: "Another target of a link is another image.", change: func(s *image.Spec) { s.Entries[2].Link = "bash" }},
		"User":       {reason: "Another user is another image.", change: func(s *image.Spec) { s.User = "1:1" }},
		"Entrypoint": {reason: "Another entrypoint is another image.", change: func(s *image.Spec) { s.Entrypoint = nil }},
		"Env":        {reason: "Another environment is another image.", change: func(s *image.Spec) { s.Env = nil }},
	}
	base := tag(t, build(t, spec()))
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := spec()
			tc.change(&s)
			if got := tag(t, build(t, s)) == base; got != tc.same {
				t.Errorf("%s\nTag(...) equals the original's: %t, want %t", tc.reason, got, tc.same)
			}
		})
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "built")
	if err := os.WriteFile(binary, []byte("static"), 0o600); err != nil {
		t.Fatal(err)
	}
	img, err := image.Program("portal", binary)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{Entrypoint: []string{"/portal"}, User: "65532:65532", WorkingDir: "/"}
	if diff := cmp.Diff(want, file.Config); diff != "" {
		t.Errorf("configuration: -want, +got:\n%s", diff)
	}
	if !file.Created.IsZero() {
		t.Errorf("created: %v, want no time", file.Created)
	}
	if diff := cmp.Diff([]string{"portal -rwxr-xr-x 0:0"}, list(t, img)); diff != "" {
		t.Errorf("files: -want, +got:\n%s", diff)
	}
}

func TestDirectoriesComeFirst(t *testing.T) {
	t.Parallel()
	want := []string{
		"bin/ drwxr-xr-x 0:0", "bin/sh Lrwxrwxrwx 0:0", "etc/ drwxr-xr-x 0:0", "etc/passwd -rw-r--r-- 0:0",
		"usr/ drwxr-xr-x 0:0", "usr/bin/ drwxr-xr-x 0:0", "usr/bin/program -rwxr-xr-x 0:0",
	}
	if diff := cmp.Diff(want, list(t, build(t, spec()))); diff != "" {
		t.Errorf("files: -want, +got:\n%s", diff)
	}
}

func build(t *testing.T, s image.Spec) v1.Image {
	t.Helper()
	img, err := image.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func tag(t *testing.T, img v1.Image) string {
	t.Helper()
	got, err := image.Tag(img)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func archive(t *testing.T, s image.Spec) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := image.WriteArchive(file, "docker.io/weft/test:1", build(t, s)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// list describes the files of an image in the order of the layer.
func list(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("want one layer, got %d: %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var names []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.IsZero() && h.ModTime.Unix() != 0 {
			t.Errorf("%s: time %v, want none", h.Name, h.ModTime)
		}
		names = append(names, h.Name+" "+h.FileInfo().Mode().String()+" 0:0")
	}
}
