// Package test proves that a running local cluster does what the product needs.
// It needs WEFT_CLUSTER_TEST=1 and a cluster made by `cluster up`.
package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/build"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
	"github.com/weft-run/weft/hack/cluster/internal/node"
	"github.com/weft-run/weft/hack/cluster/internal/progress"
	"github.com/weft-run/weft/hack/cluster/internal/run"
)

const (
	namespace = "cluster-test"
	image     = "docker.io/local/cluster-test:1"
	limit     = 2 * time.Minute
)

// cluster is the running cluster under test.
type cluster struct {
	state   layout.State
	kubectl string
}

// TestCluster needs its steps in order: they share the objects.
func TestCluster(t *testing.T) {
	if os.Getenv("WEFT_CLUSTER_TEST") == "" {
		t.Skip("set WEFT_CLUSTER_TEST=1 to test the running cluster")
	}
	c := open(t)
	c.load(t)
	c.run(t, "delete", "namespace", namespace, "--ignore-not-found", "--wait")
	t.Cleanup(func() { c.run(t, "delete", "namespace", namespace, "--wait") })
	c.run(t, "apply", "--server-side", "-f", "objects.yaml")
	c.run(t, "-n", namespace, "rollout", "status", "deployment/probe", "--timeout=60s")

	t.Run("services answer the machine", c.servicesAnswerTheMachine)
	t.Run("pods find services", c.podsFindServices)
	t.Run("names follow services at once", c.namesFollowServices)
	t.Run("logs, exec and port-forward", c.streams)
	t.Run("memory limits are enforced", c.memoryIsLimited)
	t.Run("volumes are written and recycled", c.volumesAreRecycled)
	t.Run("tokens have the audience asked for", c.tokensHaveAudiences)
	t.Run("Pod Security is enforced", c.podSecurityIsEnforced)
	t.Run("host ports answer", c.hostPortsAnswer)
}

func open(t *testing.T) cluster {
	t.Helper()
	state, cache, err := layout.FromEnvironment(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	builder := build.Builder{Source: "..", Cache: cache, Progress: progress.New(os.Stderr)}
	assets, err := builder.Node(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cluster{state: state, kubectl: filepath.Join(assets, "kubectl")}
}

// load builds the probe and loads its image.
func (c cluster) load(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "probe")
	_, err := run.Output(t.Context(), run.Cmd{
		Name: "go", Args: []string{"build", "-o", binary, "./probe"}, Env: []string{"CGO_ENABLED=0"}, Timeout: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	archive := binary + ".tar"
	if err := build.Pack(image, binary, archive); err != nil {
		t.Fatal(err)
	}
	if err := node.Load(t.Context(), c.state, archive); err != nil {
		t.Fatal(err)
	}
}

// try runs kubectl and returns what it printed.
func (c cluster) try(ctx context.Context, input string, args ...string) (string, error) {
	out, err := run.Output(ctx, run.Cmd{
		Name: c.kubectl, Args: append([]string{"--kubeconfig", c.state.Kubeconfig()}, args...),
		Stdin: strings.NewReader(input), Timeout: limit,
	})
	return strings.TrimSpace(string(out)), err
}

func (c cluster) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.try(context.WithoutCancel(t.Context()), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c cluster) field(t *testing.T, object, path string) string {
	t.Helper()
	return c.run(t, "-n", namespace, "get", object, "-o", "jsonpath={"+path+"}")
}

// eventually asks until the condition holds.
func eventually(t *testing.T, reason string, condition func() (string, bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		have, ok := condition()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: last seen: %s", reason, have)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	return string(body), err
}

func (c cluster) servicesAnswerTheMachine(t *testing.T) {
	address := c.field(t, "service/probe", ".spec.clusterIP")
	port := c.field(t, "service/probe", ".spec.ports[0].nodePort")
	for _, url := range []string{
		"http://" + address,
		"http://127.0.0.1:" + port,
		"http://localhost:" + port,
		"http://" + layout.NodeAddress + ":" + port,
	} {
		seen := map[string]bool{}
		eventually(t, "all three pods answer at "+url, func() (string, bool) {
			body, err := fetch(t.Context(), url)
			if err != nil {
				return err.Error(), false
			}
			seen[body] = true
			return fmt.Sprint(seen), len(seen) == 3
		})
	}
}

func (c cluster) podsFindServices(t *testing.T) {
	pod := c.field(t, "pods", ".items[?(@.metadata.labels.app=='probe')].metadata.name")
	pod = strings.Fields(pod)[0]
	exec := func(args ...string) string {
		return c.run(t, append([]string{"-n", namespace, "exec", pod, "--", "/probe"}, args...)...)
	}
	if got := exec("lookup", "kubernetes.default"); got != layout.ServiceAddress {
		t.Errorf("kubernetes.default is %q, want %q", got, layout.ServiceAddress)
	}
	seen := map[string]bool{}
	eventually(t, "all pods, the caller among them, answer by the service's name", func() (string, bool) {
		seen[exec("get", "http://probe.cluster-test.svc.cluster.local")] = true
		return fmt.Sprint(seen), len(seen) == 3
	})
}

// namesFollowServices: a name that was asked for must lead to a Service made
// anew, and not to the address of the one that was deleted.
func (c cluster) namesFollowServices(t *testing.T) {
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, layout.DNSAddress+":53")
	}}
	for range 3 {
		c.run(t, "-n", namespace, "create", "service", "clusterip", "renewed", "--tcp=80")
		want := c.field(t, "service/renewed", ".spec.clusterIP")
		got, err := resolver.LookupHost(t.Context(), "renewed."+namespace+".svc.cluster.local.")
		if err != nil || got[0] != want {
			t.Errorf("the name leads to %v, %v, want %s", got, err, want)
		}
		c.run(t, "-n", namespace, "delete", "service/renewed", "--wait")
	}
}

func (c cluster) streams(t *testing.T) {
	if got := c.run(t, "-n", namespace, "logs", "deployment/probe"); !strings.Contains(got, "probe serves as") {
		t.Errorf("logs are %q", got)
	}
	if got, err := c.forward(t); err != nil || !strings.HasPrefix(got, "probe-") {
		t.Errorf("port-forward answered %q, %v", got, err)
	}
}

// forward asks the service through kubectl port-forward.
func (c cluster) forward(t *testing.T) (answer string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectl, "--kubeconfig", c.state.Kubeconfig(), "-n", namespace, "port-forward", "service/probe", ":80")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		address := strings.Fields(strings.TrimPrefix(line, "Forwarding from "))[0]
		answer, err = fetch(ctx, "http://"+address)
	}
	cancel()
	_ = cmd.Wait() // it was killed
	return answer, err
}

func (c cluster) memoryIsLimited(t *testing.T) {
	eventually(t, "the kernel ends a container that takes more than its limit", func() (string, bool) {
		got := c.field(t, "pod/glutton", ".status.containerStatuses[0].state.terminated.reason")
		return got, got == "OOMKilled"
	})
}

func (c cluster) volumesAreRecycled(t *testing.T) {
	eventually(t, "a user that is not root writes by the group of the volume", func() (string, bool) {
		got := c.field(t, "pod/writer", ".status.phase")
		return got, got == "Succeeded"
	})
	volume := c.field(t, "pvc/data", ".spec.volumeName")
	path := c.run(t, "get", "pv", volume, "-o", "jsonpath={.spec.local.path}")
	if _, err := os.Stat(filepath.Join(path, "file")); err != nil {
		t.Error(err)
	}
	c.run(t, "-n", namespace, "delete", "pod/writer", "pvc/data", "--wait")
	eventually(t, "a released volume is empty and offered again", func() (string, bool) {
		entries, err := os.ReadDir(path)
		phase := c.run(t, "get", "pv", volume, "-o", "jsonpath={.status.phase}")
		return fmt.Sprint(phase, entries, err), phase == "Available" && len(entries) == 0
	})
}

func (c cluster) tokensHaveAudiences(t *testing.T) {
	token := c.run(t, "-n", namespace, "create", "token", "default", "--audience=weft-vault", "--duration=600s")
	review := func(audience string) (authenticated bool) {
		body, err := json.Marshal(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"spec": map[string]any{"token": token, "audiences": []string{audience}},
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.try(t.Context(), string(body), "create", "-f", "-", "-o", "jsonpath={.status.authenticated} {.status.user.username}")
		if err != nil {
			t.Fatal(err)
		}
		return out == "true system:serviceaccount:cluster-test:default"
	}
	if !review("weft-vault") {
		t.Error("a token is not accepted for its own audience")
	}
	if review("another") {
		t.Error("a token is accepted for another audience")
	}
}

func (c cluster) podSecurityIsEnforced(t *testing.T) {
	_, err := c.try(t.Context(), "", "-n", namespace, "run", "root", "--image="+image, "--privileged", "--restart=Never")
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a privileged pod in a restricted namespace: %v", err)
	}
}

const hostPortPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cluster-test-hostport","namespace":"default"},
"spec":{"terminationGracePeriodSeconds":2,"containers":[{"name":"probe","image":"docker.io/local/cluster-test:1",
"imagePullPolicy":"Never","ports":[{"containerPort":8080,"hostPort":38080}]}]}}`

func (c cluster) hostPortsAnswer(t *testing.T) {
	if _, err := c.try(t.Context(), hostPortPod, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.run(t, "delete", "pod", "cluster-test-hostport", "--wait") })
	eventually(t, "a host port answers on the node's address", func() (string, bool) {
		body, err := fetch(t.Context(), "http://"+layout.NodeAddress+":38080")
		return fmt.Sprint(body, err), err == nil && body == "cluster-test-hostport"
	})
}
