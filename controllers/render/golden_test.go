package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/apply"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestFlowGolden(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		change func(*v1alpha1.FlowSpec, *v1alpha1.Workspace)
	}{
		"default": {
			reason: "a flow that sets nothing gets a limit of 4Gi, one pod, and no way to anything private",
			change: func(*v1alpha1.FlowSpec, *v1alpha1.Workspace) {},
		},
		"secrets": {
			reason: "the keys of Secrets that components refer to, and no others, are files",
			change: func(spec *v1alpha1.FlowSpec, _ *v1alpha1.Workspace) {
				spec.Components[1].Credential = secretRef("openai", "api-key")
				spec.Components[0].Credential = secretRef("openai", "organisation")
				spec.Components[2].Credential = secretRef("shop", "token")
			},
		},
		"resources": {
			reason: "limits, requests and the longest run are taken over",
			change: func(spec *v1alpha1.FlowSpec, _ *v1alpha1.Workspace) {
				spec.Runtime.Resources = &v1alpha1.Resources{
					Limits:   &v1alpha1.ResourceAmounts{CPU: quantity("500m"), Memory: quantity("256Mi")},
					Requests: &v1alpha1.ResourceAmounts{Memory: quantity("64Mi")},
				}
				spec.Runtime.RunTimeout = &metav1.Duration{Duration: 90 * time.Second}
			},
		},
		"autoscaled": {
			reason: "where an autoscaler decides, replicas is not applied",
			change: func(spec *v1alpha1.FlowSpec, _ *v1alpha1.Workspace) {
				spec.Runtime.Replicas = &v1alpha1.Replicas{Min: ptr.To[int32](2), Max: ptr.To[int32](5)}
			},
		},
		"paused": {
			reason: "a paused flow has no pods and nothing that would bring some",
			change: func(spec *v1alpha1.FlowSpec, _ *v1alpha1.Workspace) {
				spec.State = v1alpha1.StatePaused
				spec.Runtime.Replicas = &v1alpha1.Replicas{Min: ptr.To[int32](2), Max: ptr.To[int32](5)}
			},
		},
		"egress": {
			reason: "only what both the flow and its workspace allow is opened",
			change: func(spec *v1alpha1.FlowSpec, ws *v1alpha1.Workspace) {
				spec.Runtime.Egress = &v1alpha1.Egress{Allow: []string{"10.1.2.3", "10.9.0.0/16", "models.shop.example", "db.shop.example"}}
				ws.Spec.Egress = &v1alpha1.Egress{Allow: []string{"10.1.0.0/16", "*.shop.example"}}
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := flowInput()
			tc.change(in.Spec, in.Workspace)
			compareGolden(t, "flow-"+name, tc.reason, flowObjects(t, in))
		})
	}
}

func TestWorkspaceGolden(t *testing.T) {
	t.Parallel()
	ws := workspace()
	ws.Spec.Egress = &v1alpha1.Egress{Allow: []string{"10.1.0.0/16"}}
	ws.Spec.Quota = &v1alpha1.WorkspaceQuota{Flows: ptr.To[int32](7), RequestsMemory: quantity("1Gi")}
	objects := append([]client.Object{Namespace(ws)}, Rights(options(), ws)...)
	objects = append(objects, Trust(ws, `{"keys":[]}`))
	objects = append(objects, Workspace(ws)...)
	compareGolden(t, "workspace", "a workspace is closed, bounded and restricted", objects)
	compareGolden(t, "test-runtime", "drafts run in a pod like any other", TestRuntime(options(), ws))
}

func compareGolden(t *testing.T, name, reason string, objects []client.Object) {
	t.Helper()
	got := manifest(t, objects)
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
		t.Errorf("%s\nrendered objects differ from %s (-want +got):\n%s", reason, path, diff)
	}
}

func manifest(t *testing.T, objects []client.Object) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, object := range objects {
		config, err := apply.Configuration(scheme(t), object)
		if err != nil {
			t.Fatal(err)
		}
		data, err := yaml.Marshal(config.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.Bytes()
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func flowObjects(t *testing.T, in FlowInput) []client.Object {
	t.Helper()
	revision, err := RevisionConfigMap(in)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Flow(options(), in)
	if err != nil {
		t.Fatal(err)
	}
	return append([]client.Object{revision}, objects...)
}

func options() Options {
	return Options{
		SystemNamespace: "weft-system",
		RuntimeImage:    "docker.io/weft/runtime:test",
		GatewayURL:      "https://flows.example.com",
		VaultURL:        "http://weft-portal.weft-system.svc",
	}
}

func workspace() *v1alpha1.Workspace {
	return &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "b3a1c1de-0000-4000-8000-000000000001"}}
}

func flowInput() FlowInput {
	return FlowInput{
		Name:      "greeting",
		Namespace: "weft-ws-shop",
		UID:       "b3a1c1de-0000-4000-8000-000000000002",
		Workspace: workspace(),
		Revision:  "0123456789",
		Spec: &v1alpha1.FlowSpec{
			Title:       "Greeting",
			Description: "Says hello.",
			Components: []v1alpha1.Component{
				{ID: "in", Type: "input", Position: &v1alpha1.Position{X: 1, Y: 2}},
				{
					ID: "hello", Type: "text-template",
					Params: &runtime.RawExtension{Raw: []byte(`{"text":"Hello {{ input.name }}"}`)},
				},
				{ID: "out", Type: "output"},
			},
			Edges: []v1alpha1.Edge{
				{ID: "a", Origin: "in", Target: "hello"}, {ID: "b", Origin: "hello", Target: "out"},
			},
			Exposure: v1alpha1.Exposure{Visibility: v1alpha1.VisibilityPublic},
			Runtime:  v1alpha1.Runtime{Mode: v1alpha1.RuntimeDedicated},
			State:    v1alpha1.StateRunning,
		},
	}
}

func secretRef(name, key string) *v1alpha1.Credential {
	return &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: name, Key: key}}
}

func quantity(s string) *resource.Quantity { return new(resource.MustParse(s)) }
