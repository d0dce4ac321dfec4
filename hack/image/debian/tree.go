package debian

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/weft-run/weft/hack/image"
)

// Tree is the files of unpacked packages by path, without leading slashes.
type Tree map[string]image.Entry

// Select returns the wanted files, what their symbolic links lead to, and the
// loader and libraries that the programs among them need.
func (t Tree) Select(want func(string) bool) ([]image.Entry, error) {
	chosen := map[string]image.Entry{}
	var queue []string
	for _, p := range slices.Sorted(maps.Keys(t)) {
		if want(p) {
			queue = append(queue, p)
		}
	}
	libraries := t.libraries()
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if _, ok := chosen[p]; ok {
			continue
		}
		chosen[p] = t[p]
		needs, err := t.needs(t[p], libraries)
		if err != nil {
			return nil, err
		}
		queue = append(queue, needs...)
	}
	return slices.Collect(maps.Values(chosen)), nil
}

// libraries finds shared libraries by their file names.
func (t Tree) libraries() map[string]string {
	found := map[string]string{}
	for _, p := range slices.Sorted(maps.Keys(t)) {
		dir := path.Dir(p)
		if strings.HasPrefix(dir, "lib") || strings.HasPrefix(dir, "usr/lib/") && strings.HasSuffix(dir, "-linux-gnu") {
			found[path.Base(p)] = p
		}
	}
	return found
}

// needs returns the paths that an entry cannot do without.
func (t Tree) needs(e image.Entry, libraries map[string]string) ([]string, error) {
	if e.Link != "" {
		return t.target(e), nil
	}
	if !bytes.HasPrefix(e.Data, []byte(elf.ELFMAG)) {
		return nil, nil
	}
	imports, err := imports(e.Data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Path, err)
	}
	var needs []string
	for _, name := range imports {
		p, ok := libraries[name]
		if !ok {
			return nil, fmt.Errorf("%s needs %s, which none of the packages holds", e.Path, name)
		}
		needs = append(needs, p)
	}
	return needs, nil
}

// target returns what a symbolic link leads to, if the tree has it. Links into
// other packages (documentation, alternatives) lead nowhere here.
func (t Tree) target(e image.Entry) []string {
	p := path.Join(path.Dir(e.Path), e.Link)
	if path.IsAbs(e.Link) {
		p = strings.TrimPrefix(path.Clean(e.Link), "/")
	}
	if _, ok := t[p]; !ok {
		return nil
	}
	return []string{p}
}

// imports returns the file names of the libraries that a program or library
// names, and of the loader.
func imports(data []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading the ELF header: %w", err)
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("reading the imports: %w", err)
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		interp, err := io.ReadAll(p.Open())
		if err != nil {
			return nil, fmt.Errorf("reading the loader's name: %w", err)
		}
		names = append(names, path.Base(strings.TrimRight(string(interp), "\x00")))
	}
	return names, nil
}
