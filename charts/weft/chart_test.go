// Package weft_test proves what the chart renders: it is restricted, bounded
// and small in its rights, whatever the values.
package weft_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

var update = flag.Bool("update", false, "write the golden files")

// namespace that the chart is rendered for: not the usual one, so that a name
// written by hand is found.
const namespace = "weft-elsewhere"

// minimal are the values that have no default.
const minimal = `
publicUrl: https://weft.example.com
gatewayUrl: https://flows.example.com
images: {operator: {tag: "1"}, runtime: {tag: "2"}, portal: {tag: "3"}}
`

// full sets everything that changes what is rendered.
const full = `
publicUrl: http://weft.example.com
gatewayUrl: http://flows.example.com
insecureAllowPlainHttp: true
images:
  pullPolicy: Always
  pullSecrets: [{name: registry}]
  operator: {repository: registry.example.com:5000/weft/operator, tag: "1"}
  runtime: {repository: registry.example.com:5000/weft/runtime, tag: "2"}
  portal: {repository: registry.example.com:5000/weft/portal, tag: "3"}
database: {secretName: my-database, port: 6432}
redis: {secretName: my-redis, port: 6380}
operator: {replicas: 2, podAnnotations: {a: b}, nodeSelector: {disk: fast}}
portal:
  replicas: 3
  modules: [web, identity]
  service: {type: NodePort, nodePort: 30080}
  resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 4Gi, cpu: "2"}}
  tolerations: [{key: dedicated, operator: Exists}]
gateway:
  replicas: 2
  terminationGracePeriodSeconds: 600
  service: {type: LoadBalancer, nodePort: 30081, annotations: {c: d}}
networkPolicy:
  apiServerPorts: [8443]
  metricsFrom: [{namespaceSelector: {matchLabels: {name: monitoring}}}]
`

// variants are the values that every property is checked with.
func variants() map[string]string {
	return map[string]string{"minimal": minimal, "full": full, "open": minimal + "networkPolicy: {enabled: false}\n"}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"minimal", "full"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := render(t, variants()[name])
			path := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("the chart renders something else (go test ./charts/weft -update accepts it): -want, +got:\n%s", diff)
			}
		})
	}
}

// TestPodSecurity holds every pod to the restricted standard, with read-only
// roots on top.
func TestPodSecurity(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	eachPod(t, func(t *testing.T, name string, meta metav1.ObjectMeta, spec corev1.PodSpec) {
		result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &meta, &spec))
		if !result.Allowed {
			t.Errorf("%s is not restricted: %s", name, result.ForbiddenDetail())
		}
		for _, c := range spec.Containers {
			if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
				t.Errorf("%s: the root of container %s can be written", name, c.Name)
			}
		}
		if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
			t.Errorf("%s: other Services are put into its environment", name)
		}
	})
}

// TestLimits holds every container to 4Gi, and Go's heap to nine tenths of it.
func TestLimits(t *testing.T) {
	t.Parallel()
	most := resource.MustParse("4Gi")
	eachPod(t, func(t *testing.T, name string, _ metav1.ObjectMeta, spec corev1.PodSpec) {
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			limit, ok := c.Resources.Limits[corev1.ResourceMemory]
			if !ok || limit.Cmp(most) > 0 {
				t.Errorf("%s: container %s has the memory limit %s, want one of at most 4Gi", name, c.Name, limit.String())
			}
			at := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GOMEMLIMIT" })
			if at < 0 {
				t.Errorf("%s: container %s has no GOMEMLIMIT", name, c.Name)
				continue
			}
			heap := resource.MustParse(strings.TrimSuffix(c.Env[at].Value, "B"))
			if want := limit.Value() * 9 / 10; heap.Value() > want || heap.Value() < want-1<<20 {
				t.Errorf("%s: GOMEMLIMIT is %s, want 90 %% of %s", name, c.Env[at].Value, limit.String())
			}
		}
	})
}

// TestRights holds the rules to what promise T4 allows.
func TestRights(t *testing.T) {
	t.Parallel()
	for name, rules := range roles(t, render(t, full)) {
		cluster := !strings.HasPrefix(name, "Role ") && !strings.HasPrefix(name, "ClusterRole weft-workspace-")
		for _, r := range rules {
			if slices.Contains(slices.Concat(r.Verbs, r.Resources, r.APIGroups), "*") {
				t.Errorf("%s: %v: want no wildcard", name, r)
			}
			if cluster && slices.Contains(r.Resources, "secrets") {
				t.Errorf("%s: %v: want no right to Secrets in the whole cluster", name, r)
			}
			if slices.Contains(r.Resources, "secrets") && (slices.Contains(r.Verbs, "list") || slices.Contains(r.Verbs, "watch")) {
				t.Errorf("%s: %v: want Secrets read by name only", name, r)
			}
			if slices.Contains(r.Verbs, "escalate") || slices.Contains(r.Verbs, "impersonate") {
				t.Errorf("%s: %v: want no escalate or impersonate", name, r)
			}
			if slices.Contains(r.Verbs, "bind") && len(r.ResourceNames) == 0 {
				t.Errorf("%s: %v: want bind for named roles only", name, r)
			}
		}
	}
}

// TestOperatorRights compares the roles with those of config/rbac, which people
// without Helm apply.
func TestOperatorRights(t *testing.T) {
	t.Parallel()
	want := map[string][]rbacv1.PolicyRule{}
	files, err := filepath.Glob("../../config/rbac/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("config/rbac: %d files, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(want, roles(t, text))
	}
	got := roles(t, render(t, minimal))
	for name := range want {
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s: -config/rbac, +chart (make generate copies the files):\n%s", name, diff)
		}
	}
}

// TestSelectors proves that every Service, NetworkPolicy and budget finds pods.
func TestSelectors(t *testing.T) {
	t.Parallel()
	objects := decode(t, render(t, full))
	var pods []labels.Set
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok {
			pods = append(pods, d.Spec.Template.Labels)
			if !labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(labels.Set(d.Spec.Template.Labels)) {
				t.Errorf("Deployment %s does not select its own pods", d.Name)
			}
		}
	}
	for _, o := range objects {
		var name string
		var selector map[string]string
		switch o := o.(type) {
		case *corev1.Service:
			name, selector = "Service "+o.Name, o.Spec.Selector
		case *networkingv1.NetworkPolicy:
			name, selector = "NetworkPolicy "+o.Name, o.Spec.PodSelector.MatchLabels
		case *policyv1.PodDisruptionBudget:
			name, selector = "PodDisruptionBudget "+o.Name, o.Spec.Selector.MatchLabels
		default:
			continue
		}
		found := slices.DeleteFunc(slices.Clone(pods), func(p labels.Set) bool { return !labels.SelectorFromSet(selector).Matches(p) })
		if len(found) != 1 {
			t.Errorf("%s finds %d Deployments, want 1", name, len(found))
		}
	}
}

// TestNamespace proves that everything goes where the release goes.
func TestNamespace(t *testing.T) {
	t.Parallel()
	if bytes.Contains(render(t, full), []byte("weft-system")) {
		t.Error("the name weft-system is written by hand somewhere")
	}
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		values string
		want   string // part of the message
	}{
		"Misspelt":    {reason: "An unknown value would be ignored silently.", values: minimal + "gatway: {}\n", want: "gatway"},
		"Deep":        {reason: "Unknown values are refused at every depth.", values: minimal + "portal: {replica: 2}\n", want: "replica"},
		"TooMuchGi":   {reason: "No container may have more than 4Gi.", values: minimal + "gateway: {resources: {limits: {memory: 5Gi}}}\n", want: "memory"},
		"TooMuchMi":   {reason: "4097Mi is more than 4Gi.", values: minimal + "gateway: {resources: {limits: {memory: 4097Mi}}}\n", want: "memory"},
		"NoAddress":   {reason: "The portal must know its own address.", values: strings.Replace(minimal, "publicUrl", "#", 1), want: "publicUrl"},
		"AddressPath": {reason: "An address has no path.", values: strings.Replace(minimal, "weft.example.com", "weft.example.com/x", 1), want: "publicUrl"},
		"NoTag":       {reason: "A tag that moves would make rollouts a matter of luck.", values: strings.Replace(minimal, `"3"`, `""`, 1), want: "tag"},
		"Module":      {reason: "The gateway is a Deployment of its own.", values: minimal + "portal: {modules: [gateway]}\n", want: "modules"},
		"NoReplica":   {reason: "Zero replicas is no installation.", values: minimal + "portal: {replicas: 0}\n", want: "replicas"},
		"LowNodePort": {reason: "A port below 1024 belongs to the machine.", values: minimal + "portal: {service: {nodePort: 80}}\n", want: "nodePort"},
		"WrongType":   {reason: "\"yes\" is no boolean.", values: minimal + "networkPolicy: {enabled: \"yes\"}\n", want: "enabled"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := helm(t, tc.values)
			if err == nil {
				t.Fatalf("%s\nhelm template accepted:\n%s", tc.reason, tc.values)
			}
			if !strings.Contains(string(out), tc.want) {
				t.Errorf("%s\nwant a message that names %q, got:\n%s", tc.reason, tc.want, out)
			}
		})
	}
}

// TestCRDs proves that the chart holds the kinds as they are, and that each is
// small enough for every tool.
func TestCRDs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../config/crd/weft.run_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("config/crd: %d files, %v", len(files), err)
	}
	for _, f := range files {
		want, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("crds", filepath.Base(f)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s differs from config/crd: run make generate", filepath.Base(f))
		}
		if len(got) >= 64<<10 {
			t.Errorf("%s has %d bytes, want fewer than 64 KiB", filepath.Base(f), len(got))
		}
	}
}

// eachPod calls check for every pod of every variant.
func eachPod(t *testing.T, check func(t *testing.T, name string, meta metav1.ObjectMeta, spec corev1.PodSpec)) {
	t.Helper()
	for variant, values := range variants() {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			checked := 0
			for _, o := range decode(t, render(t, values)) {
				switch o := o.(type) {
				case *appsv1.Deployment:
					check(t, "Deployment "+o.Name, o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
				case *batchv1.Job:
					check(t, "Job "+o.Name, o.Spec.Template.ObjectMeta, o.Spec.Template.Spec)
				default:
					continue
				}
				checked++
			}
			if checked != 4 {
				t.Errorf("%d pods were checked, want those of operator, portal, gateway and init", checked)
			}
		})
	}
}

// roles returns the rules of all roles in a manifest.
func roles(t *testing.T, manifest []byte) map[string][]rbacv1.PolicyRule {
	t.Helper()
	found := map[string][]rbacv1.PolicyRule{}
	for _, o := range decode(t, manifest) {
		switch o := o.(type) {
		case *rbacv1.ClusterRole:
			found["ClusterRole "+o.Name] = o.Rules
		case *rbacv1.Role:
			found["Role "+o.Name] = o.Rules
		}
	}
	return found
}

// decode reads the objects of a manifest that Kubernetes' own types describe.
func decode(t *testing.T, manifest []byte) []runtime.Object {
	t.Helper()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	decoder := clientscheme.Codecs.UniversalDeserializer()
	var objects []runtime.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		o, _, err := decoder.Decode(document, nil, nil)
		if runtime.IsMissingKind(err) || runtime.IsNotRegisteredError(err) {
			continue // comments alone, or a file of kustomize
		}
		if err != nil {
			t.Fatalf("decoding:\n%s\n%v", document, err)
		}
		objects = append(objects, o)
	}
}

// render renders the chart, its hooks too.
func render(t *testing.T, values string) []byte {
	t.Helper()
	out, err := helm(t, values)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	return out
}

// helm calls helm template with values.
func helm(t *testing.T, values string) ([]byte, error) {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		t.Skip("HELM is not set: run make unit")
	}
	touch(t)
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), program, "template", "weft", ".", "--namespace", namespace, "--values", file).CombinedOutput()
}

// touch reads the chart: go test sees what this process reads, not what Helm
// does, and would otherwise take an old result for a changed chart.
func touch(t *testing.T) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
