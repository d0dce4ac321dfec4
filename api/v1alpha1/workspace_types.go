package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkspaceNamespacePrefix stands before a workspace's name in the name of its
// namespace.
const WorkspaceNamespacePrefix = "weft-ws-"

// WorkspaceLabel is the label, on a namespace and on everything in it that
// Weft made, whose value is the workspace's name.
const WorkspaceLabel = "weft.run/workspace"

// Workspace is the home of one user or one team: a namespace with quota,
// limits, network policies and rights, in which flows and agents live.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=wws,categories=weft
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner.kind`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name must not be longer than 40 characters: it becomes part of the name of a namespace"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",message="metadata.name must start with a letter and contain only a-z, 0-9 and -"
type Workspace struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   WorkspaceSpec   `json:"spec"`
	Status WorkspaceStatus `json:"status,omitempty"`
}

// WorkspaceList is a list of workspaces.
// +kubebuilder:object:root=true
type WorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Workspace `json:"items"`
}

// WorkspaceSpec says whose the workspace is and what it may use.
type WorkspaceSpec struct {
	// Title for people.
	// +kubebuilder:validation:MaxLength=120
	// +optional
	Title string `json:"title,omitempty"`

	// Owner says whose workspace this is. Absent for one that is kept with
	// kubectl alone.
	// +optional
	Owner *WorkspaceOwner `json:"owner,omitempty"`

	// Quota bounds what all flows and agents of the workspace use together.
	// +optional
	Quota *WorkspaceQuota `json:"quota,omitempty"`

	// Egress lists destinations, outside of the public internet, that flows of
	// this workspace may be allowed to reach. Default none.
	// +optional
	Egress *Egress `json:"egress,omitempty"`

	// TestRuntime says how the pod that runs drafts is run.
	// +optional
	TestRuntime *TestRuntime `json:"testRuntime,omitempty"`
}

// WorkspaceOwner says whose a workspace is.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the owner of a workspace cannot be changed"
type WorkspaceOwner struct {
	// Kind is User or Team.
	// +kubebuilder:validation:Enum=User;Team
	Kind string `json:"kind"`

	// ID of the user or team in the portal.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]+$`
	ID string `json:"id"`
}

// WorkspaceQuota bounds what a workspace uses.
type WorkspaceQuota struct {
	// Flows is the number of Flow objects. Default 100.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	// +optional
	Flows *int32 `json:"flows,omitempty"`

	// Pods is the number of pods. Default 150.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20000
	// +optional
	Pods *int32 `json:"pods,omitempty"`

	// RequestsCPU bounds the sum of the cpu requests. Default 4.
	// +optional
	RequestsCPU *resource.Quantity `json:"requestsCPU,omitempty"`

	// RequestsMemory bounds the sum of the memory requests. Default 8Gi.
	// +optional
	RequestsMemory *resource.Quantity `json:"requestsMemory,omitempty"`
}

// TestRuntime says how the pod that runs drafts is run.
type TestRuntime struct {
	// Disabled switches the test runtime off; drafts cannot be run then.
	// +optional
	Disabled bool `json:"disabled,omitempty"`

	// Resources of the pod.
	// +optional
	Resources *Resources `json:"resources,omitempty"`
}

// WorkspaceStatus says what became of the workspace.
type WorkspaceStatus struct {
	// ObservedGeneration is the newest generation whose outcome is known: it is
	// Ready, or Stalled. While work on a newer one is under way, Reconciling is
	// True, and the conditions carry that generation.
	// +kubebuilder:validation:Minimum=0
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Namespace of the workspace. Empty until it exists and belongs to the
	// workspace; flows run in no other.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Conditions of the workspace.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Namespace returns the name of the namespace that belongs to the workspace.
func (w *Workspace) Namespace() string { return WorkspaceNamespacePrefix + w.Name }

// GetConditions returns the conditions of the workspace.
func (w *Workspace) GetConditions() []metav1.Condition { return w.Status.Conditions }

// SetConditions replaces the conditions of the workspace.
func (w *Workspace) SetConditions(c []metav1.Condition) { w.Status.Conditions = c }
