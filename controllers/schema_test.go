package controllers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

// TestFlowSchema: what the API server refuses without any of our programs, and
// the words that it does so with.
func TestFlowSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := func(cpu, memory string) *v1alpha1.ResourceAmounts {
		a := &v1alpha1.ResourceAmounts{}
		if cpu != "" {
			a.CPU = new(resource.MustParse(cpu))
		}
		if memory != "" {
			a.Memory = new(resource.MustParse(memory))
		}
		return a
	}
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	credential := func(f *v1alpha1.Flow, name, key string) {
		f.Spec.Components[1].Credential = &v1alpha1.Credential{SecretKeyRef: &v1alpha1.SecretKeyRef{Name: name, Key: key}}
	}
	cases := map[string]struct {
		change func(*v1alpha1.Flow)
		// want is a part of the error, empty where the flow is accepted.
		want string
	}{
		"Plain":     {func(*v1alpha1.Flow) {}, ""},
		"LongName":  {func(f *v1alpha1.Flow) { f.Name = strings.Repeat("a", 51) }, "must not be longer than 50 characters"},
		"DigitName": {func(f *v1alpha1.Flow) { f.Name = "1flow" }, "must start with a letter"},
		"DotName":   {func(f *v1alpha1.Flow) { f.Name = "a.b" }, "must start with a letter"},
		"MaxMemory": {func(f *v1alpha1.Flow) { f.Spec.Runtime.Resources = &v1alpha1.Resources{Limits: limits("", "4Gi")} }, ""},
		"TooMuchMemory": {
			func(f *v1alpha1.Flow) { f.Spec.Runtime.Resources = &v1alpha1.Resources{Limits: limits("", "5Gi")} },
			"memory must be between 16Mi and 4Gi",
		},
		"TooMuchMemoryRequested": {
			func(f *v1alpha1.Flow) { f.Spec.Runtime.Resources = &v1alpha1.Resources{Requests: limits("", "4097Mi")} },
			"memory must be between 16Mi and 4Gi",
		},
		"RequestAboveLimit": {
			func(f *v1alpha1.Flow) {
				f.Spec.Runtime.Resources = &v1alpha1.Resources{Requests: limits("", "1Gi"), Limits: limits("", "512Mi")}
			},
			"requests.memory must not be larger than limits.memory",
		},
		"CPURequestAboveLimit": {
			func(f *v1alpha1.Flow) {
				f.Spec.Runtime.Resources = &v1alpha1.Resources{Requests: limits("2", ""), Limits: limits("1500m", "")}
			},
			"requests.cpu must not be larger than limits.cpu",
		},
		"NoCPU": {
			func(f *v1alpha1.Flow) { f.Spec.Runtime.Resources = &v1alpha1.Resources{Limits: limits("1m", "")} },
			"cpu must be between 10m and 64",
		},
		"MinAboveMax": {
			func(f *v1alpha1.Flow) {
				f.Spec.Runtime.Replicas = &v1alpha1.Replicas{Min: ptr.To[int32](3), Max: ptr.To[int32](2)}
			},
			"replicas.min must not be larger than replicas.max",
		},
		"NoPodsAtMost": {
			func(f *v1alpha1.Flow) { f.Spec.Runtime.Replicas = &v1alpha1.Replicas{Max: ptr.To[int32](0)} },
			"should be greater than or equal to 1",
		},
		"LongestRun":   {func(f *v1alpha1.Flow) { f.Spec.Runtime.RunTimeout = duration(time.Hour) }, ""},
		"TooLongRun":   {func(f *v1alpha1.Flow) { f.Spec.Runtime.RunTimeout = duration(2 * time.Hour) }, "runTimeout must be between 1s and 1h"},
		"TooShortIdle": {func(f *v1alpha1.Flow) { f.Spec.Runtime.IdleTimeout = duration(time.Second) }, "idleTimeout must be between 1m and 24h"},
		"TooLongStep":  {func(f *v1alpha1.Flow) { f.Spec.Components[1].Timeout = duration(2 * time.Hour) }, "timeout must be between 1ms and 1h"},
		"SecretRef":    {func(f *v1alpha1.Flow) { credential(f, "my.secret-1", ".key_A-1") }, ""},
		"DotDotSecret": {func(f *v1alpha1.Flow) { credential(f, "a..b", "k") }, "credential.secretKeyRef.name"},
		"SlashSecret":  {func(f *v1alpha1.Flow) { credential(f, "../kube-system/x", "k") }, "credential.secretKeyRef.name"},
		"DotDotKey":    {func(f *v1alpha1.Flow) { credential(f, "s", "..data") }, "credential.secretKeyRef.key"},
		"SlashKey":     {func(f *v1alpha1.Flow) { credential(f, "s", "a/b") }, "credential.secretKeyRef.key"},
		"TwoKeys": {
			func(f *v1alpha1.Flow) {
				credential(f, "s", "k")
				f.Spec.Components[1].Credential.VaultKeyRef = &v1alpha1.VaultKeyRef{Name: "v"}
			},
			"set exactly one of secretKeyRef and vaultKeyRef",
		},
		"NoKey": {
			func(f *v1alpha1.Flow) { f.Spec.Components[1].Credential = &v1alpha1.Credential{} },
			"set exactly one of secretKeyRef and vaultKeyRef",
		},
		"SameIDTwice": {
			func(f *v1alpha1.Flow) { f.Spec.Components[1].ID = "in" },
			"Duplicate value",
		},
		"TooManyComponents": {
			func(f *v1alpha1.Flow) { f.Spec.Components = make([]v1alpha1.Component, 501) },
			"must have at most 500 items",
		},
		"Origins":    {func(f *v1alpha1.Flow) { f.Spec.Exposure.AllowedOrigins = []string{"https://shop.example"} }, ""},
		"AnyOrigin":  {func(f *v1alpha1.Flow) { f.Spec.Exposure.AllowedOrigins = []string{"*"} }, "allowedOrigins"},
		"Visibility": {func(f *v1alpha1.Flow) { f.Spec.Exposure.Visibility = "Everyone" }, "Unsupported value"},
		"HugeBody":   {func(f *v1alpha1.Flow) { f.Spec.Exposure.MaxBodyBytes = 65 << 20 }, "maxBodyBytes"},
		"State":      {func(f *v1alpha1.Flow) { f.Spec.State = "Stopped" }, "Unsupported value"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flow := w.newFlow("schema", nil)
			tc.change(flow)
			err := w.admin.Create(context.Background(), flow, client.DryRunAll, client.FieldValidation("Strict"))
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("it was refused: %v", err)
			case tc.want != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestFlowDefaults: what "kubectl get -o yaml" shows of a flow that sets nothing.
func TestFlowDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.newFlow("defaults", nil)
	if err := w.admin.Create(context.Background(), flow, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	s := flow.Spec
	if s.Exposure.Visibility != v1alpha1.VisibilityPrivate || s.Exposure.MaxBodyBytes != 1<<20 || s.Exposure.Page != v1alpha1.PageNone ||
		s.Runtime.Mode != v1alpha1.RuntimeDedicated || ptr.Deref(s.Runtime.Replicas.Min, 0) != 1 ||
		s.State != v1alpha1.StateRunning || ptr.Deref(s.RevisionHistoryLimit, 0) != 10 {
		t.Errorf("defaults: %+v", s)
	}
}

// TestWorkspaceSchema: names that would not fit, and an owner that would change.
func TestWorkspaceSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	for name, want := range map[string]string{
		strings.Repeat("a", 41): "must not be longer than 40 characters",
		"1space":                "must start with a letter",
		"a.b":                   "must start with a letter",
	} {
		err := w.admin.Create(ctx, &v1alpha1.Workspace{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.DryRunAll)
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
	change(w, w.name, new(v1alpha1.Workspace), func(ws *v1alpha1.Workspace) {
		ws.Spec.Owner = &v1alpha1.WorkspaceOwner{Kind: "User", ID: "1"}
	})
	w.waitForWorkspace("Ready=True/Ready")
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"owner":{"id":"2"}}}`))
	if err := w.admin.Patch(ctx, w.workspace(), patch); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("the owner was changed: %v", err)
	}
}

func (w *world) waitForWorkspace(condition string) {
	w.t.Helper()
	eventually(w.t, condition, func() error { return hasCondition(w.workspace(), condition) })
}

// TestCRDsAreSmall: a CRD must fit into the annotations and the Helm releases
// of those who install it.
func TestCRDsAreSmall(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "config", "crd", "weft.run_*.yaml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 64<<10 {
			t.Errorf("%s has %d bytes", file, info.Size())
		}
	}
}
