package render

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Namespace returns the namespace of a workspace.
func Namespace(ws *v1alpha1.Workspace) *corev1.Namespace {
	labels := workspaceLabels(ws.Name)
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = "restricted"
		labels["pod-security.kubernetes.io/"+mode+"-version"] = "latest"
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ws.Namespace(), Labels: labels}}
}

// Rights returns the RoleBindings that give the operator and the portal their
// rights in the workspace's namespace. They are applied first: the operator
// itself needs them for everything else.
func Rights(o Options, ws *v1alpha1.Workspace) []client.Object {
	return []client.Object{
		roleBinding(o, ws, OperatorName, OperatorRole),
		roleBinding(o, ws, portalName, PortalRole),
	}
}

func roleBinding(o Options, ws *v1alpha1.Workspace, account, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: workspaceMeta(ws, role),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: []rbacv1.Subject{{
			Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: o.SystemNamespace,
		}},
	}
}

// Trust returns the copy of the public keys that request tokens are checked
// with.
func Trust(ws *v1alpha1.Workspace, jwks string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: workspaceMeta(ws, TrustName),
		Data:       map[string]string{TrustKey: jwks},
	}
}

// Workspace returns what bounds and protects a workspace's namespace.
func Workspace(ws *v1alpha1.Workspace) []client.Object {
	return []client.Object{defaultDeny(ws), limitRange(ws), quota(ws)}
}

// TestRuntime returns the objects of the runtime that runs the workspace's
// drafts.
func TestRuntime(o Options, ws *v1alpha1.Workspace) []client.Object {
	w := testRuntimeWorkload(o, ws)
	return []client.Object{w.serviceAccount(), w.networkPolicy(o, allowList(ws)), w.service(), w.deployment()}
}

// TestRuntimeKinds returns an empty object of every kind that TestRuntime
// returns, by name.
func TestRuntimeKinds(ws *v1alpha1.Workspace) []client.Object {
	meta := metav1.ObjectMeta{Name: TestRuntimeName, Namespace: ws.Namespace()}
	return []client.Object{
		&appsv1.Deployment{ObjectMeta: meta},
		&corev1.Service{ObjectMeta: meta},
		networkPolicyNamed(meta),
		&corev1.ServiceAccount{ObjectMeta: meta},
	}
}

func testRuntimeWorkload(o Options, ws *v1alpha1.Workspace) *workload {
	labels := testRuntimeLabels(ws.Name)
	w := &workload{
		name:       TestRuntimeName,
		namespace:  ws.Namespace(),
		labels:     labels,
		selector:   podSelector(labels, string(ws.UID)),
		podLabels:  with(labels, UIDLabel, string(ws.UID)),
		image:      o.RuntimeImage,
		runTimeout: defaultRunTimeout,
		replicas:   ptr.To[int32](1),
	}
	if ws.Spec.TestRuntime != nil {
		w.resources = ws.Spec.TestRuntime.Resources
	}
	w.env = append(commonEnv(o, "test", ws.Name, TestRuntimeName, string(ws.UID)),
		corev1.EnvVar{Name: "WEFT_EGRESS_ALLOW", Value: strings.Join(allowList(ws), ",")})
	return w
}

func allowList(ws *v1alpha1.Workspace) []string {
	if ws.Spec.Egress == nil {
		return nil
	}
	return ws.Spec.Egress.Allow
}

// defaultDeny closes the namespace in both directions; the policies of flows
// open what they need.
func defaultDeny(ws *v1alpha1.Workspace) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: workspaceMeta(ws, defaultDenyName),
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: bothDirections()},
	}
}

// limitRange keeps every container of the namespace at 4Gi or below, also one
// that somebody else puts there.
func limitRange(ws *v1alpha1.Workspace) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: workspaceMeta(ws, limitsName),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type:    corev1.LimitTypeContainer,
			Max:     corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
			Default: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")},
			DefaultRequest: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("10m"),
				corev1.ResourceMemory: resource.MustParse("32Mi"),
			},
		}}},
	}
}

func quota(ws *v1alpha1.Workspace) *corev1.ResourceQuota {
	q := ptr.Deref(ws.Spec.Quota, v1alpha1.WorkspaceQuota{})
	count := func(n *int32, otherwise int32) resource.Quantity {
		return *resource.NewQuantity(int64(ptr.Deref(n, otherwise)), resource.DecimalSI)
	}
	return &corev1.ResourceQuota{
		ObjectMeta: workspaceMeta(ws, QuotaName),
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			"count/flows." + v1alpha1.Group:       count(q.Flows, 100),
			corev1.ResourcePods:                   count(q.Pods, 150),
			corev1.ResourceRequestsCPU:            ptr.Deref(q.RequestsCPU, resource.MustParse("4")),
			corev1.ResourceRequestsMemory:         ptr.Deref(q.RequestsMemory, resource.MustParse("8Gi")),
			corev1.ResourceServicesNodePorts:      resource.MustParse("0"),
			corev1.ResourceServicesLoadBalancers:  resource.MustParse("0"),
			corev1.ResourcePersistentVolumeClaims: resource.MustParse("0"),
		}},
	}
}

func workspaceMeta(ws *v1alpha1.Workspace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: ws.Namespace(), Labels: workspaceLabels(ws.Name)}
}
