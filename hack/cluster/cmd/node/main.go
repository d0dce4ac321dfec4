// Command node is every program of the local cluster's control plane and node
// in one static binary: one link step instead of seven keeps the first build
// short.
//
// The program is chosen by the name the binary is called by (a symlink named
// kube-apiserver runs the API server) or, under any other name, by the first
// argument. Its directory of symlinks is also a valid KUBEBUILDER_ASSETS.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // build_info metric
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// etcd parses its own flags and exits by itself, so it has no command here.
const etcd = "etcd"

func main() {
	os.Exit(run(os.Args, os.Stderr))
}

// run starts the program that args ask for and returns its exit code.
func run(args []string, stderr io.Writer) int {
	name, own := split(args)
	if name == etcd {
		etcdmain.Main(own)
		return 0
	}
	build, known := commands()[name]
	if !known {
		_, _ = fmt.Fprintf(stderr, "unknown program %q; one of: %s\n", name, strings.Join(names(), " "))
		return 2
	}
	os.Args = own // cobra, and kubectl's plugin handling, read it
	return cli.Run(build())
}

// commands maps each program with a cobra command to the function that builds
// it. They are built on demand: building one registers its feature gates.
func commands() map[string]func() *cobra.Command {
	return map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kube-proxy":              proxy.NewProxyCommand,
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"kubectl":                 kubectl.NewDefaultKubectlCommand,
	}
}

func names() []string {
	return append(slices.Sorted(maps.Keys(commands())), etcd)
}

// split finds the program's name and the arguments it would have seen as a
// program of its own.
func split(args []string) (name string, own []string) {
	name = filepath.Base(args[0])
	if slices.Contains(names(), name) || len(args) < 2 {
		return name, args
	}
	return args[1], args[1:]
}
