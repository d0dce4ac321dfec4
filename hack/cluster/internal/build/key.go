package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// key is a short hash of all that decides what a build contains: the toolchain,
// the flags, the sources and the versions of the dependencies.
func (b Builder) key(ctx context.Context, p program) (string, error) {
	version, err := run.Output(ctx, run.Cmd{
		Name: "go", Args: []string{"env", "GOVERSION"},
		Dir: filepath.Join(b.Source, p.dir), Env: environment(), Timeout: time.Minute,
	})
	if err != nil {
		return "", fmt.Errorf("ask for the Go version (Go 1.26 must be installed, see https://go.dev/dl): %w", err)
	}
	hash := sha256.New()
	inputs := append([]string{string(version)}, append(environment(), flags(p)...)...)
	if _, err := fmt.Fprintf(hash, "%q\n", inputs); err != nil {
		return "", err
	}
	if err := hashSources(hash, filepath.Join(b.Source, p.dir)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// hashSources adds the names and contents of the files that a build reads from
// the directory. The programs here have one package each.
func hashSources(hash io.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	for _, entry := range entries {
		if entry.IsDir() || !isSource(entry.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return fmt.Errorf("read sources: %w", err)
		}
		if _, err := fmt.Fprintf(hash, "%s %d\n%s\n", entry.Name(), len(data), data); err != nil {
			return err
		}
	}
	return nil
}

func isSource(name string) bool {
	switch {
	case name == "go.mod", name == "go.sum":
		return true
	case strings.HasSuffix(name, "_test.go"):
		return false
	default:
		return strings.HasSuffix(name, ".go")
	}
}

// oldest returns all but the n most recently used.
func oldest(used map[string]time.Time, n int) []string {
	names := slices.SortedFunc(maps.Keys(used), func(a, b string) int { return used[b].Compare(used[a]) })
	return names[min(n, len(names)):]
}
