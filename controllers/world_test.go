package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/controllers/render"
	"github.com/weft-run/weft/controllers/status/statustest"
)

// world is the workspace of one test, with what the other controllers and the
// kubelet would do there.
type world struct {
	*suite
	t    *testing.T
	name string
}

// newWorld makes a Workspace and waits until flows can be deployed to it. At
// the end of the test the status of everything in it is checked.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{suite: cluster(t), t: t, name: worldName()}
	w.create(&v1alpha1.Workspace{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Spec:       v1alpha1.WorkspaceSpec{TestRuntime: &v1alpha1.TestRuntime{Disabled: true}},
	})
	w.playQuota()
	eventually(t, "workspace Ready", func() error { return hasCondition(w.workspace(), "Ready=True/Ready") })
	t.Cleanup(w.checkStatuses)
	return w
}

// playQuota does what the cluster's quota controller would: it counts.
func (w *world) playQuota() {
	w.t.Helper()
	quota := new(corev1.ResourceQuota)
	eventually(w.t, "quota", func() error {
		if err := w.get(render.QuotaName, quota); err != nil {
			return err
		}
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{}}
		for bound := range quota.Spec.Hard {
			quota.Status.Used[bound] = resource.MustParse("0")
		}
		return w.admin.Status().Update(context.Background(), quota)
	})
}

// worlds counts, so that every world has a name of its own, also when a test
// runs several times.
var worlds atomic.Int32

func worldName() string { return fmt.Sprintf("world-%d", worlds.Add(1)) }

func (w *world) namespace() string { return v1alpha1.WorkspaceNamespacePrefix + w.name }

// checkStatuses keeps promise R5 at the end of every test.
func (w *world) checkStatuses() {
	flows := new(v1alpha1.FlowList)
	if err := w.admin.List(context.Background(), flows, client.InNamespace(w.namespace())); err != nil {
		w.t.Error(err)
	}
	for i := range flows.Items {
		w.checkStatus(&flows.Items[i], "Flow", statustest.Flow(&flows.Items[i]))
	}
	workspace := w.workspace()
	w.checkStatus(workspace, "Workspace", statustest.Workspace(workspace))
}

func (w *world) checkStatus(object client.Object, kind string, o statustest.Object) {
	for _, violation := range statustest.Violations(o) {
		w.t.Errorf("%s %s: broken: %s\n%s", kind, object.GetName(), violation, statustest.Describe(o))
	}
	got, want, err := statustest.KStatus(object, kind)
	if err != nil || got != want {
		w.t.Errorf("%s %s: kstatus says %s, want %s: %v\n%s", kind, object.GetName(), got, want, err, statustest.Describe(o))
	}
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.admin.Create(context.Background(), o); err != nil {
		w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) get(name string, o client.Object) error {
	k := key(w.namespace(), name)
	switch o.(type) {
	case *v1alpha1.Workspace, *corev1.Namespace:
		k.Namespace = ""
	}
	return w.admin.Get(context.Background(), k, o)
}

func (w *world) mustGet(name string, o client.Object) {
	w.t.Helper()
	if err := w.get(name, o); err != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
}

// change reads an object, changes it and writes it back, again where somebody
// else was faster.
func change[T client.Object](w *world, name string, o T, edit func(T)) {
	w.t.Helper()
	eventually(w.t, "changing "+name, func() error {
		if err := w.get(name, o); err != nil {
			return err
		}
		edit(o)
		return w.admin.Update(context.Background(), o)
	})
}

func (w *world) workspace() *v1alpha1.Workspace {
	w.t.Helper()
	ws := new(v1alpha1.Workspace)
	if err := w.admin.Get(context.Background(), client.ObjectKey{Name: w.name}, ws); err != nil {
		w.t.Fatal(err)
	}
	return ws
}

func (w *world) flow(name string) *v1alpha1.Flow {
	w.t.Helper()
	flow := new(v1alpha1.Flow)
	w.mustGet(name, flow)
	return flow
}

// waitFor waits for a condition of a flow, written type=status/reason.
func (w *world) waitFor(name, condition string) *v1alpha1.Flow {
	w.t.Helper()
	var flow *v1alpha1.Flow
	eventually(w.t, name+" "+condition, func() error {
		flow = w.flow(name)
		return hasCondition(flow, condition)
	})
	return flow
}

// hasCondition also asks that the condition is of the newest generation.
func hasCondition(o interface {
	client.Object
	GetConditions() []metav1.Condition
}, want string,
) error {
	kind, _, _ := strings.Cut(want, "=")
	c := meta.FindStatusCondition(o.GetConditions(), kind)
	if c == nil {
		return fmt.Errorf("%s: no condition %s", o.GetName(), kind)
	}
	if got := fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason); got != want || c.ObservedGeneration != o.GetGeneration() {
		return fmt.Errorf("%s: %s (generation %d of %d): %s, want %s",
			o.GetName(), got, c.ObservedGeneration, o.GetGeneration(), c.Message, want)
	}
	return nil
}

// kubelet describes what the pods of a rollout do.
type kubelet struct {
	// ready pods; the others are as container says.
	ready int32
	// container of the pods that are not ready.
	container corev1.ContainerStatus
	// conditions of the Deployment.
	conditions []appsv1.DeploymentCondition
}

// play does what the controllers of Deployments and EndpointSlices, and the
// kubelet, would do for the newest template of a flow.
func (w *world) play(flow string, k kubelet) {
	w.t.Helper()
	deployment := new(appsv1.Deployment)
	name := render.FlowObjectName(flow)
	eventually(w.t, "Deployment "+name, func() error { return w.get(name, deployment) })
	replicas := ptr.Deref(deployment.Spec.Replicas, 1)
	pods := w.replacePods(deployment, replicas, k)
	w.replaceEndpoints(deployment, pods[:k.ready])
	eventually(w.t, "status of Deployment "+name, func() error {
		if err := w.get(name, deployment); err != nil {
			return err
		}
		deployment.Status = appsv1.DeploymentStatus{
			ObservedGeneration: deployment.Generation,
			Replicas:           replicas, UpdatedReplicas: replicas, ReadyReplicas: k.ready, AvailableReplicas: k.ready,
			Conditions: k.conditions,
		}
		return w.admin.Status().Update(context.Background(), deployment)
	})
}

// rollOut plays a rollout that succeeds.
func (w *world) rollOut(flow string) {
	w.t.Helper()
	deployment := new(appsv1.Deployment)
	eventually(w.t, "Deployment of "+flow, func() error { return w.get(render.FlowObjectName(flow), deployment) })
	w.play(flow, kubelet{ready: ptr.Deref(deployment.Spec.Replicas, 1)})
}

func (w *world) replacePods(d *appsv1.Deployment, n int32, k kubelet) []*corev1.Pod {
	w.t.Helper()
	ctx := context.Background()
	err := w.admin.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(d.Namespace),
		client.MatchingLabels(d.Spec.Selector.MatchLabels), client.GracePeriodSeconds(0))
	if err != nil {
		w.t.Fatal(err)
	}
	var pods []*corev1.Pod
	for i := range n {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{GenerateName: d.Name + "-", Namespace: d.Namespace, Labels: d.Spec.Template.Labels},
			Spec:       *d.Spec.Template.Spec.DeepCopy(),
		}
		w.create(pod)
		pod.Status = podStatus(i < k.ready, k.container)
		if err := w.admin.Status().Update(ctx, pod); err != nil {
			w.t.Fatal(err)
		}
		pods = append(pods, pod)
	}
	return pods
}

func podStatus(ready bool, container corev1.ContainerStatus) corev1.PodStatus {
	status := corev1.PodStatus{Phase: corev1.PodRunning}
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	} else {
		container.Name = render.ContainerName
		status.ContainerStatuses = []corev1.ContainerStatus{container}
	}
	status.Conditions = []corev1.PodCondition{condition}
	return status
}

func (w *world) replaceEndpoints(d *appsv1.Deployment, ready []*corev1.Pod) {
	w.t.Helper()
	ctx := context.Background()
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Name: d.Name, Namespace: d.Namespace, Labels: d.Labels,
	}, AddressType: discoveryv1.AddressTypeIPv4}
	if err := w.admin.Delete(ctx, slice); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	slice.Labels[discoveryv1.LabelServiceName] = d.Name
	for i := range ready {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("10.1.0.%d", i+1)},
			Conditions: discoveryv1.EndpointConditions{Ready: new(true)},
		})
	}
	w.create(slice)
}

// settle waits until the operator has reconciled a flow without writing
// anything, then reconciles it ten times more and asks for no writes: promise
// R3.
func (w *world) settle(flow string) {
	w.t.Helper()
	request := ctrl.Request{NamespacedName: key(w.namespace(), flow)}
	eventually(w.t, flow+" settled", func() error {
		before := len(w.writes.of(w.name))
		if _, err := w.flows.Reconcile(context.Background(), request); err != nil {
			return err
		}
		if n := len(w.writes.of(w.name)) - before; n > 0 {
			return fmt.Errorf("%d writes", n)
		}
		return nil
	})
	before := w.writes.of(w.name)
	for range 10 {
		if _, err := w.flows.Reconcile(context.Background(), request); err != nil {
			w.t.Error(err)
		}
	}
	if diff := cmp.Diff(before, w.writes.of(w.name), cmp.AllowUnexported(write{})); diff != "" {
		w.t.Errorf("ten reconciles of a settled flow wrote:\n%s", diff)
	}
}

// newFlow is a flow that greets, with a credential if there is one.
func (w *world) newFlow(name string, credential *v1alpha1.Credential) *v1alpha1.Flow {
	flow := &v1alpha1.Flow{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace()},
		Spec: v1alpha1.FlowSpec{
			Title: "Greeting",
			Components: []v1alpha1.Component{
				{ID: "in", Type: "input"},
				{ID: "hello", Type: "text-template", Params: params(`{"text":"Hello"}`)},
				{ID: "out", Type: "output"},
			},
			Edges: []v1alpha1.Edge{
				{ID: "a", Origin: "in", Target: "hello"}, {ID: "b", Origin: "hello", Target: "out"},
			},
		},
	}
	if credential != nil {
		flow.Spec.Components[1] = v1alpha1.Component{
			ID: "hello", Type: "openai-chat", Credential: credential,
			Params: params(`{"model":"gpt-5-mini","prompt":"Say hello"}`),
		}
	}
	return flow
}

func params(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

// ready makes a flow and plays its rollout.
func (w *world) readyFlow(name string) *v1alpha1.Flow {
	w.t.Helper()
	w.create(w.newFlow(name, nil))
	w.rollOut(name)
	return w.waitFor(name, "Ready=True/Ready")
}

var errStillThere = errors.New("it is still there")

func gone(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	default:
		return errStillThere
	}
}
