// Package debian takes programs out of Debian's packages: the files one asks
// for and every shared library they need, without installing anything.
package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/image"
)

// Time limits of the programs that this package runs.
const (
	queryTimeout    = 2 * time.Minute
	downloadTimeout = 10 * time.Minute
)

// maxFile bounds one file of a package: the largest that we need has 30 MB.
const maxFile = 512 << 20

// Archive fetches Debian packages into a directory and keeps them there.
type Archive struct {
	Cache string
}

// Set is a group of packages whose files make up an image.
type Set struct {
	Packages []string            // packages to take files from
	Want     func(p string) bool // which files, by path without leading slash
	Skip     []string            // libraries that are only needed for what we leave out
}

// Available says whether this machine has Debian's package tools.
func Available() bool {
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false
		}
	}
	return true
}

// Resolve returns the package files, with versions in their names, that hold
// the set and its libraries. It asks no server.
func (a Archive) Resolve(ctx context.Context, s Set) ([]string, error) {
	names, err := closure(ctx, s)
	if err != nil {
		return nil, err
	}
	out, err := run(ctx, queryTimeout, "", "apt-get", append([]string{"download", "--print-uris", "-qq"}, names...)...)
	if err != nil {
		return nil, err
	}
	var files []string
	for line := range strings.Lines(string(out)) {
		// 'http://…' name_version_arch.deb 12345 SHA512:…
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return nil, fmt.Errorf("apt-get download --print-uris printed %q", line)
		}
		files = append(files, fields[1])
	}
	slices.Sort(files)
	return files, nil
}

// Entries returns the files of the set and the libraries that they need.
func (a Archive) Entries(ctx context.Context, s Set) ([]image.Entry, error) {
	files, err := a.Resolve(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := a.download(ctx, s, files); err != nil {
		return nil, err
	}
	tree := Tree{}
	for _, f := range files {
		if err := a.unpack(ctx, filepath.Join(a.Cache, f), tree); err != nil {
			return nil, err
		}
	}
	return tree.Select(s.Want)
}

// Update refreshes the package lists. A fresh machine has none.
func Update(ctx context.Context) error {
	_, err := run(ctx, downloadTimeout, "", "apt-get", "update", "-qq")
	return err
}

// download fetches the package files that the cache does not hold yet.
func (a Archive) download(ctx context.Context, s Set, files []string) error {
	missing := slices.ContainsFunc(files, func(f string) bool {
		_, err := os.Stat(filepath.Join(a.Cache, f))
		return err != nil
	})
	if !missing {
		return nil
	}
	if err := os.MkdirAll(a.Cache, 0o755); err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	names, err := closure(ctx, s)
	if err != nil {
		return err
	}
	args := append([]string{"download", "-qq", "-o", "APT::Sandbox::User=root"}, names...)
	_, err = run(ctx, downloadTimeout, a.Cache, "apt-get", args...)
	return err
}

// unpack adds the files of one package to the tree.
func (a Archive) unpack(ctx context.Context, deb string, tree Tree) error {
	out, err := run(ctx, queryTimeout, "", "dpkg-deb", "--fsys-tarfile", deb)
	if err != nil {
		return err
	}
	r := tar.NewReader(bytes.NewReader(out))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", filepath.Base(deb), err)
		}
		if err := tree.add(h, r); err != nil {
			return fmt.Errorf("reading %s: %w", filepath.Base(deb), err)
		}
	}
}

// closure returns the packages of the set and all libraries below them.
func closure(ctx context.Context, s Set) ([]string, error) {
	args := []string{"depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"}
	out, err := run(ctx, queryTimeout, "", "apt-cache", append(args, s.Packages...)...)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(s.Packages)
	for line := range strings.Lines(string(out)) {
		n := strings.TrimRight(line, "\n")
		// Dependencies are indented; a package's own line is not. <x> is virtual.
		if isLibrary(n) && !strings.Contains(n, ":") && !slices.Contains(s.Skip, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// run runs a program and returns what it wrote to its standard output.
func run(ctx context.Context, timeout time.Duration, dir, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("running %s %s: %w\n%s", program, args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// add puts one member of a package into the tree.
func (t Tree) add(h *tar.Header, r io.Reader) error {
	p := path.Clean(strings.TrimPrefix(h.Name, "./"))
	switch h.Typeflag {
	case tar.TypeSymlink:
		t[p] = image.Entry{Path: p, Link: h.Linkname}
	case tar.TypeLink:
		target := t[path.Clean(strings.TrimPrefix(h.Linkname, "./"))]
		target.Path = p
		t[p] = target
	case tar.TypeReg:
		if h.Size > maxFile {
			return fmt.Errorf("%s has %d bytes", p, h.Size)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("reading %s: %w", p, err)
		}
		// No file keeps a set-user-id bit: nothing in an image needs one.
		t[p] = image.Entry{Path: p, Mode: h.Mode & 0o755, Data: data}
	}
	return nil
}

// isLibrary says whether a package's name is that of a library.
func isLibrary(name string) bool {
	return strings.HasPrefix(name, "lib") || strings.HasPrefix(name, "zlib")
}
