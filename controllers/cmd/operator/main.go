// Command operator turns Flow and Workspace objects into running, protected
// addresses.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/weft-run/weft/controllers"
	"github.com/weft-run/weft/runtime/components"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	c, err := parseConfig(os.Args[1:], os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(c, log)
	}
	if err != nil {
		log.Error("the operator stops", "error", err)
		os.Exit(1)
	}
}

func run(c config, log *slog.Logger) error {
	bridge := logr.FromSlogHandler(log.Handler())
	ctrl.SetLogger(bridge)
	klog.SetLogger(bridge)
	cat, err := components.Catalog()
	if err != nil {
		return fmt.Errorf("reading the catalogue of components: %w", err)
	}
	kube, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	mgr, err := newManager(rest.CopyConfig(kube), c)
	if err != nil {
		return err
	}
	settings := controllers.Settings{Options: c.render(), Catalog: cat, Concurrency: c.Concurrency}
	if err := controllers.Setup(mgr, settings); err != nil {
		return err
	}
	log.Info("the operator starts", "systemNamespace", c.SystemNamespace, "runtimeImage", c.RuntimeImage,
		"gatewayURL", c.GatewayURL, "componentTypes", len(cat.All()))
	if err := mgr.Start(ctrl.SetupSignalHandler()); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

func newManager(kube *rest.Config, c config) (ctrl.Manager, error) {
	scheme, err := controllers.Scheme()
	if err != nil {
		return nil, err
	}
	cache, err := controllers.CacheOptions(c.SystemNamespace)
	if err != nil {
		return nil, err
	}
	// Enough for a thousand flows at once, and less than what would crowd out
	// other clients of the API server.
	kube.QPS, kube.Burst = 100, 200
	kube.UserAgent = "weft-operator"
	probes := &probes{}
	mgr, err := ctrl.NewManager(kube, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         cache,
		Metrics:                       metricsserver.Options{BindAddress: c.MetricsListen, ExtraHandlers: probes.handlers()},
		HealthProbeBindAddress:        "0",
		LeaderElection:                c.LeaderElect,
		LeaderElectionID:              "weft-operator",
		LeaderElectionNamespace:       c.SystemNamespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       ptr.To(20 * time.Second),
	})
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	probes.synced = mgr.GetCache().WaitForCacheSync
	return mgr, nil
}
