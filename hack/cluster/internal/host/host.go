// Package host finds out whether the machine can run a node, and installs the
// Debian packages it lacks.
package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weft-run/weft/hack/cluster/internal/config"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

// tool is a file the node needs and the Debian package that brings it.
type tool struct {
	path    string // absolute, or a name to look up in PATH
	pkg     string
	purpose string
}

// tools lists everything that is not built here.
func tools() []tool {
	return []tool{
		{"containerd", "containerd", "runs containers"},
		{"ctr", "containerd", "loads images"},
		{"containerd-shim-runc-v2", "containerd", "keeps containers"},
		{"runc", "runc", "starts containers"},
		{filepath.Join(config.CNIPlugins, "ptp"), "containernetworking-plugins", "connects pods"},
		{filepath.Join(config.CNIPlugins, "host-local"), "containernetworking-plugins", "gives addresses to pods"},
		{filepath.Join(config.CNIPlugins, "portmap"), "containernetworking-plugins", "serves host ports"},
		{filepath.Join(config.CNIPlugins, "loopback"), "containernetworking-plugins", "loopback of pods"},
		{"iptables", "iptables", "host ports"},
		{"nft", "nftables", "services"},
		{"ip", "iproute2", "network devices"},
		{"mount", "mount", "volumes"},
	}
}

// missing returns the packages of the tools that are not installed.
func missing(all []tool, installed func(path string) bool) []string {
	var packages []string
	for _, t := range all {
		if !installed(t.path) && !slices.Contains(packages, t.pkg) {
			packages = append(packages, t.pkg)
		}
	}
	return packages
}

// installed looks a tool up. The directories for administrators are often not
// in the PATH that root inherits.
func installed(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// Path returns PATH with the directories in which Debian keeps such tools.
func Path(current string) string {
	parts := filepath.SplitList(current)
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if !slices.Contains(parts, dir) {
			parts = append(parts, dir)
		}
	}
	return strings.Join(parts, string(os.PathListSeparator))
}

// Check says in one line what keeps this machine from running a node.
func Check() error {
	switch {
	case runtime.GOOS != "linux":
		return fmt.Errorf("a local node needs Linux, this is %s; start Docker, or set CLUSTER=current to use the cluster of your kubeconfig", runtime.GOOS)
	case os.Geteuid() != 0:
		return errors.New("a local node needs root; run as root, start Docker, or set CLUSTER=current to use the cluster of your kubeconfig")
	default:
		return nil
	}
}

// Install brings the missing packages with apt-get.
func Install(ctx context.Context, printer *progress.Printer) error {
	packages := missing(tools(), installed)
	if len(packages) == 0 {
		return nil
	}
	if !installed("apt-get") {
		return fmt.Errorf("missing: %s; install them with your package manager (there is no apt-get to do it)", strings.Join(packages, " "))
	}
	what := "installing " + strings.Join(packages, " ")
	err := printer.Step(ctx, what, func(ctx context.Context, detail *progress.Detail) error {
		return aptGet(ctx, detail, packages)
	})
	if err != nil {
		return err
	}
	if left := missing(tools(), installed); len(left) > 0 {
		return fmt.Errorf("still missing after installing: %s", strings.Join(left, " "))
	}
	return nil
}

// Snapshotter returns overlayfs if it works below dir, and native, which copies
// each layer, on file systems that it cannot be stacked on.
func Snapshotter(dir string) (string, error) {
	work, err := os.MkdirTemp(dir, ".overlay-*")
	if err != nil {
		return "", fmt.Errorf("try overlayfs: %w", err)
	}
	var layers []string
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		layer := filepath.Join(work, name)
		if err := os.Mkdir(layer, 0o755); err != nil {
			return "", errors.Join(fmt.Errorf("try overlayfs: %w", err), os.RemoveAll(work))
		}
		layers = append(layers, layer)
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", layers[0], layers[1], layers[2])
	kind := "native"
	if err := unix.Mount("overlay", layers[3], "overlay", 0, options); err == nil {
		kind = "overlayfs"
		if err := unix.Unmount(layers[3], unix.MNT_DETACH); err != nil {
			return "", fmt.Errorf("try overlayfs: unmount: %w", err)
		}
	}
	return kind, os.RemoveAll(work)
}

// DockerWorks says whether a Docker daemon answers.
func DockerWorks(ctx context.Context) bool {
	if !installed("docker") {
		return false
	}
	out, err := run.Output(ctx, run.Cmd{
		Name: "docker", Args: []string{"version", "--format", "{{.Server.Version}}"}, Timeout: 10 * time.Second,
	})
	return err == nil && strings.TrimSpace(string(out)) != ""
}
