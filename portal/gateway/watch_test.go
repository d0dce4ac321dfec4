package gateway_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
)

// TestWatch follows one flow through its life in a real API server.
func TestWatch(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("KUBEBUILDER_ASSETS is not set")
	}
	log.SetLogger(logr.Discard())
	env := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd")}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	watched, err := gateway.NewCache(config)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	go watched.Start(t.Context())
	if err := w.directory.Watch(t.Context(), watched); err != nil {
		t.Fatal(err)
	}
	flow := life(t, w, kube)
	w.checkTrimmed(t, watched)
	if err := kube.Delete(t.Context(), flow); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted flow is not told of", func() bool { return w.do(call{body: "{}"}).status == http.StatusUnauthorized })
}

// life creates and changes a flow, and sees what the address answers.
func life(t *testing.T, w *world, kube client.Client) *v1alpha1.Flow {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	answers := func(what string, want int) {
		t.Helper()
		eventually(t, what, func() bool { return w.do(call{body: "{}"}).status == want })
	}
	p := ownPod(t)
	must(kube.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "weft-ws-acme"}}))
	answers("an absent flow is not told of", http.StatusUnauthorized)

	flow := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: "weft-ws-acme", Name: "hello"}}
	flow.Spec.Title = "A title that the gateway has no use for"
	flow.Spec.Components = []v1alpha1.Component{{ID: "a", Type: "input"}}
	flow.Spec.Exposure.Visibility = v1alpha1.VisibilityPublic
	must(kube.Create(t.Context(), flow))
	answers("a flow without pods is not ready", http.StatusServiceUnavailable)

	s := slice(t, 0, p.Listener.Addr().String(), discoveryv1.EndpointConditions{})
	s.UID = ""
	must(kube.Create(t.Context(), s))
	answers("a ready pod serves", http.StatusOK)

	no := false
	s.Endpoints[0].Conditions.Ready = &no
	must(kube.Update(t.Context(), s))
	answers("one that is not ready does not", http.StatusServiceUnavailable)

	must(kube.Delete(t.Context(), s))
	s.ResourceVersion, s.Endpoints[0].Conditions.Ready = "", nil
	must(kube.Create(t.Context(), s))
	answers("one that came back does", http.StatusOK)

	flow.Spec.State = v1alpha1.StatePaused
	must(kube.Update(t.Context(), flow))
	answers("a paused flow does not", http.StatusServiceUnavailable)

	flow.Spec.State, flow.Spec.Exposure.Visibility = v1alpha1.StateRunning, v1alpha1.VisibilityPrivate
	must(kube.Update(t.Context(), flow))
	answers("a private flow is not told of", http.StatusUnauthorized)

	flow.Spec.Exposure.Visibility = v1alpha1.VisibilityPublic
	must(kube.Update(t.Context(), flow))
	answers("a public one answers", http.StatusOK)
	return flow
}

// ownPod listens on an address of this machine that is no loopback address: the
// API server allows none of those in an EndpointSlice.
func ownPod(t *testing.T) *pod {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.To4() == nil || ip.IP.IsLoopback() || ip.IP.IsLinkLocalUnicast() {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(ip.IP.String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		p := unstartedPod(t, nil)
		if err := p.Listener.Close(); err != nil {
			t.Fatal(err)
		}
		p.Listener, p.Config.Handler = l, http.HandlerFunc(echo)
		p.Start()
		t.Cleanup(p.Close)
		return p
	}
	t.Skip("this machine has no address but loopback")
	return nil
}

// checkTrimmed looks at what is held in memory.
func (w *world) checkTrimmed(t *testing.T, watched client.Reader) {
	t.Helper()
	var flows v1alpha1.FlowList
	if err := watched.List(t.Context(), &flows, client.InNamespace("weft-ws-acme")); err != nil || len(flows.Items) != 1 {
		t.Fatalf("%d flows: %v", len(flows.Items), err)
	}
	f := flows.Items[0]
	if f.Spec.Title != "" || f.Spec.Components != nil || f.ManagedFields != nil {
		t.Errorf("more is held than is needed: %+v", f)
	}
	if f.UID == "" || f.Spec.Exposure.Visibility != v1alpha1.VisibilityPublic {
		t.Errorf("too little is held: %+v", f)
	}
}
