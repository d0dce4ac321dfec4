package render

import "maps"

import "github.com/weft-run/weft/api/v1alpha1"

// Labels and annotations of rendered objects.
const (
	// FlowLabel holds the name of the Flow that an object belongs to.
	FlowLabel = "weft.run/flow"
	// RevisionLabel holds the revision that a pod serves or a ConfigMap holds.
	RevisionLabel = "weft.run/revision"
	// UIDLabel holds the UID of the Flow or Workspace that a pod serves. It is
	// in the selectors, so that pods of a deleted object never answer for one
	// of the same name that was made after it.
	UIDLabel = "weft.run/uid"
	// RuntimeAnnotation of a Deployment holds spec.runtime as it was when the
	// revision that the Deployment runs was rolled out.
	RuntimeAnnotation = "weft.run/runtime"
	// ReplicasAnnotation of a Deployment says who decides how many pods there
	// are.
	ReplicasAnnotation = "weft.run/replicas-decided-by"

	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	managedByLabel = "app.kubernetes.io/managed-by"

	// ManagedBy is the value of the label app.kubernetes.io/managed-by, and
	// the name of the field manager.
	ManagedBy = "weft-operator"

	runtimeName = "weft-runtime"
)

// Values of ReplicasAnnotation.
const (
	ReplicasByOperator   = "operator"
	ReplicasByAutoscaler = "autoscaler"
)

// Names of objects that exist once in the namespace of every workspace.
const (
	// TestRuntimeName names the objects of the runtime that runs drafts.
	TestRuntimeName = "weft-test-runtime"
	// TrustName names the ConfigMap with the public keys that request tokens
	// are checked with, in the system namespace and in every workspace.
	TrustName = "weft-trust"
	// TrustKey is the key of the ConfigMap TrustName.
	TrustKey = "jwks.json"
	// VaultIndexName names the ConfigMap in which the portal lists the keys of
	// the workspace's vault: one data key per vault key, without its value.
	VaultIndexName = "weft-vault-index"

	// QuotaName names the ResourceQuota of a workspace.
	QuotaName = "weft-quota"

	limitsName      = "weft-limits"
	defaultDenyName = "weft-default-deny"
)

// Names of the identities and roles that a workspace's namespace gives rights
// to.
const (
	// OperatorName is the operator's ServiceAccount.
	OperatorName = "weft-operator"
	portalName   = "weft-portal"
	gatewayName  = "weft-gateway"

	// OperatorRole is the ClusterRole that the operator has in a workspace's
	// namespace.
	OperatorRole = "weft-workspace-operator"
	// PortalRole is the ClusterRole that the portal has in a workspace's
	// namespace.
	PortalRole = "weft-workspace-portal"
)

// FlowObjectName names the Deployment, Service, ServiceAccount and
// NetworkPolicy of a flow.
func FlowObjectName(flow string) string { return "flow-" + flow }

// RevisionName names the ConfigMap that holds a revision of a flow.
func RevisionName(flow, revision string) string { return FlowObjectName(flow) + "-" + revision }

func flowLabels(workspace, flow string) map[string]string {
	return map[string]string{
		nameLabel:               runtimeName,
		instanceLabel:           FlowObjectName(flow),
		managedByLabel:          ManagedBy,
		FlowLabel:               flow,
		v1alpha1.WorkspaceLabel: workspace,
	}
}

func testRuntimeLabels(workspace string) map[string]string {
	return map[string]string{
		nameLabel:               runtimeName,
		instanceLabel:           TestRuntimeName,
		managedByLabel:          ManagedBy,
		v1alpha1.WorkspaceLabel: workspace,
	}
}

func workspaceLabels(workspace string) map[string]string {
	return map[string]string{
		nameLabel:               "weft-workspace",
		instanceLabel:           workspace,
		managedByLabel:          ManagedBy,
		v1alpha1.WorkspaceLabel: workspace,
	}
}

func podSelector(labels map[string]string, uid string) map[string]string {
	return map[string]string{
		nameLabel:     labels[nameLabel],
		instanceLabel: labels[instanceLabel],
		UIDLabel:      uid,
	}
}

func with(labels map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	maps.Copy(out, labels)
	out[key] = value
	return out
}
