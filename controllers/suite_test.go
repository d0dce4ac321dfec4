package controllers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/go-logr/logr"

	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/runtime/components"
)

const systemNamespace = "weft-system"

// operatorUser is who the operator is in these tests: with the rights of
// config/rbac, and no others.
const operatorUser = "system:serviceaccount:" + systemNamespace + ":" + render.OperatorName

// suite is a real API server with the operator at work. There is no other
// controller and no kubelet: tests play their part.
type suite struct {
	admin    client.Client
	operator *rest.Config
	manager  ctrl.Manager
	writes   *writes
	flows    *FlowReconciler
	spaces   *WorkspaceReconciler
}

// shared is started by the first test that needs it and stopped by TestMain.
type sharedSuite struct {
	once sync.Once
	*suite
	err  error
	stop func() error
}

var shared sharedSuite

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code := m.Run()
	if shared.stop != nil {
		if err := shared.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the API server:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// cluster returns the suite, and starts it if this is the first test that asks.
func cluster(t *testing.T) *suite {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set: run make integration")
	}
	shared.once.Do(func() { shared.suite, shared.stop, shared.err = start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.suite
}

func start() (*suite, func() error, error) {
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd")},
		ErrorIfCRDPathMissing: true,
	}
	admin, err := env.Start()
	if err != nil {
		return nil, nil, fmt.Errorf("starting the API server: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := func() error { cancel(); return env.Stop() }
	s, err := assemble(ctx, env, admin)
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return s, stop, nil
}

func assemble(ctx context.Context, env *envtest.Environment, admin *rest.Config) (*suite, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	s := &suite{writes: &writes{}}
	if s.admin, err = client.New(admin, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if err := s.install(ctx); err != nil {
		return nil, err
	}
	user, err := env.AddUser(envtest.User{Name: operatorUser, Groups: []string{"system:serviceaccounts", "system:authenticated"}}, nil)
	if err != nil {
		return nil, err
	}
	s.operator = user.Config()
	s.operator.QPS, s.operator.Burst = 200, 400
	if s.manager, err = s.newManager(scheme); err != nil {
		return nil, err
	}
	cat, err := components.Catalog()
	if err != nil {
		return nil, err
	}
	options := testOptions()
	if err := Setup(s.manager, Settings{Options: options, Catalog: cat, Concurrency: 8}); err != nil {
		return nil, err
	}
	s.flows = &FlowReconciler{
		Client: s.manager.GetClient(), Live: s.manager.GetAPIReader(), Options: options, Now: time.Now, specs: newSpecs(cat), own: newOwnWrites(),
	}
	s.spaces = &WorkspaceReconciler{Client: s.manager.GetClient(), Live: s.manager.GetAPIReader(), Options: options, Now: time.Now, own: newOwnWrites()}
	failed := make(chan error, 1)
	go func() { failed <- s.manager.Start(ctx) }()
	synced, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if !s.manager.GetCache().WaitForCacheSync(synced) {
		return nil, fmt.Errorf("the caches were not filled: %w", errors.Join(synced.Err(), drain(failed)))
	}
	return s, nil
}

func drain(errs chan error) error {
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func testOptions() render.Options {
	return render.Options{
		SystemNamespace: systemNamespace,
		RuntimeImage:    "docker.io/weft/runtime:test",
		GatewayURL:      "https://flows.example.com",
		VaultURL:        "http://weft-portal.weft-system.svc",
	}
}

// install brings what the chart brings: the system namespace, the rights, and
// the public keys of the portal.
func (s *suite) install(ctx context.Context) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: systemNamespace}},
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: render.TrustName, Namespace: systemNamespace},
			Data:       map[string]string{render.TrustKey: `{"keys":[]}`},
		},
	}
	rights, err := rightsManifests(s.admin.Scheme())
	if err != nil {
		return err
	}
	for _, object := range append(objects, rights...) {
		if err := s.admin.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

func (s *suite) newManager(scheme *runtime.Scheme) (ctrl.Manager, error) {
	cache, err := CacheOptions(systemNamespace)
	if err != nil {
		return nil, err
	}
	return ctrl.NewManager(s.operator, ctrl.Options{
		Scheme:  scheme,
		Cache:   cache,
		Metrics: metricsserver.Options{BindAddress: "0"},
		NewClient: func(config *rest.Config, options client.Options) (client.Client, error) {
			c, err := client.NewWithWatch(config, options)
			if err != nil {
				return nil, err
			}
			return interceptor.NewClient(c, s.writes.funcs()), nil
		},
	})
}

// eventually tries until the check succeeds or time is up.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func key(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}
