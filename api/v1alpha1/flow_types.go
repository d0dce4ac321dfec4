package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Flow is an automation: components joined by edges. In a namespace of a
// Workspace it is made into a running, protected address.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=fl,categories=weft
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.runtime.replicas.min,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Visibility",type=string,JSONPath=`.spec.exposure.visibility`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision.serving`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50",message="metadata.name must not be longer than 50 characters: it becomes part of the names of Services and pods"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",message="metadata.name must start with a letter and contain only a-z, 0-9 and -: it becomes part of an address"
type Flow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   FlowSpec   `json:"spec"`
	Status FlowStatus `json:"status,omitempty"`
}

// FlowList is a list of flows.
// +kubebuilder:object:root=true
type FlowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Flow `json:"items"`
}

// FlowSpec says what the flow does and how it is reached and run.
type FlowSpec struct {
	// Title for people. metadata.name is the address-friendly name.
	// +kubebuilder:validation:MaxLength=120
	// +optional
	Title string `json:"title,omitempty"`

	// Description for people.
	// +kubebuilder:validation:MaxLength=2000
	// +optional
	Description string `json:"description,omitempty"`

	// Components are the steps of the flow.
	// +kubebuilder:validation:MaxItems=500
	// +listType=map
	// +listMapKey=id
	// +optional
	Components []Component `json:"components,omitempty"`

	// Edges lead values from one component to another.
	// +kubebuilder:validation:MaxItems=2000
	// +listType=map
	// +listMapKey=id
	// +optional
	Edges []Edge `json:"edges,omitempty"`

	// Exposure says who may call the flow. Absent means Private.
	// +kubebuilder:default={}
	// +optional
	Exposure Exposure `json:"exposure,omitempty"`

	// Runtime says how the flow is run.
	// +kubebuilder:default={}
	// +optional
	Runtime Runtime `json:"runtime,omitempty"`

	// State is Running or Paused. Default Running.
	// +kubebuilder:default=Running
	// +optional
	State State `json:"state,omitempty"`

	// RevisionHistoryLimit is how many earlier revisions are kept. Default 10.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=50
	// +kubebuilder:default=10
	// +optional
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
}

// Component is one step of a flow.
type Component struct {
	// ID is unique within the flow.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,63}$`
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id"`

	// Type is a component type of the catalogue, for example openai-chat.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Type string `json:"type"`

	// Name for people; made an identifier, it is the component's name in
	// expressions. Default: the type.
	// +kubebuilder:validation:MaxLength=120
	// +optional
	Name string `json:"name,omitempty"`

	// Params are the component's settings; the catalogue says which there are.
	// At most 64 KiB as JSON.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:Schemaless
	// +optional
	Params *runtime.RawExtension `json:"params,omitempty"`

	// Credential that the component uses, where it needs one.
	// +optional
	Credential *Credential `json:"credential,omitempty"`

	// Parent is the id of the enclosing for-each component.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,63}$`
	// +optional
	Parent string `json:"parent,omitempty"`

	// OnError says what happens when the component fails. Absent means Stop.
	// +optional
	OnError *OnError `json:"onError,omitempty"`

	// Timeout of one execution of the component. Default: that of its type;
	// 1ms to 1h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('1h')",message="timeout must be between 1ms and 1h"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Position in the drawing of the flow.
	// +optional
	Position *Position `json:"position,omitempty"`
}

// Position in the drawing of a flow, in pixels.
type Position struct {
	// X to the right.
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	X int32 `json:"x"`
	// Y downwards.
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Y int32 `json:"y"`
}

// ErrorAction says what happens when a component has failed for good.
// +kubebuilder:validation:Enum=Stop;Default;Route
type ErrorAction string

const (
	// ErrorActionStop ends the run with the component's error.
	ErrorActionStop ErrorAction = "Stop"
	// ErrorActionDefault goes on with a given value in place of the output.
	ErrorActionDefault ErrorAction = "Default"
	// ErrorActionRoute sends the error out of the component's error port.
	ErrorActionRoute ErrorAction = "Route"
)

// OnError says what happens when a component fails.
type OnError struct {
	// Retry tries again first.
	// +optional
	Retry *Retry `json:"retry,omitempty"`

	// Action when the component has failed for good. Default Stop.
	// +kubebuilder:default=Stop
	// +optional
	Action ErrorAction `json:"action,omitempty"`

	// Value that stands in for the output with action Default, and with no
	// other action: any JSON value.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +optional
	Value *Value `json:"value,omitempty"`
}

// Retry tries a failed component again.
type Retry struct {
	// Times that it is tried again.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Times int32 `json:"times"`

	// Backoff before the first further try; doubled for each next one, with
	// jitter. Default 1s, at most 5m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('5m')",message="backoff must be between 1ms and 5m"
	// +optional
	Backoff *metav1.Duration `json:"backoff,omitempty"`
}

// Edge leads the value of a port of one component to a port of another.
type Edge struct {
	// ID is unique within the flow.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,63}$`
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id"`

	// Origin is the id of the component that the edge leaves.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,63}$`
	Origin string `json:"origin"`

	// Target is the id of the component that the edge enters.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,63}$`
	Target string `json:"target"`

	// OriginPort is the port of the origin. Default: its main port.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	OriginPort string `json:"originPort,omitempty"`

	// TargetPort is the port of the target. Default: its main port.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TargetPort string `json:"targetPort,omitempty"`
}

// FlowStatus says what became of the flow.
type FlowStatus struct {
	// ObservedGeneration is the newest generation whose outcome is known: it is
	// Ready, or Stalled. While work on a newer one is under way, Reconciling is
	// True, and the conditions carry that generation.
	// +kubebuilder:validation:Minimum=0
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// URL at which the flow answers.
	// +kubebuilder:validation:MaxLength=2048
	// +optional
	URL string `json:"url,omitempty"`

	// Addresses lists every way to reach the flow.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	Addresses []Address `json:"addresses,omitempty"`

	// Revision names the desired and the serving revision.
	// +optional
	Revision RevisionStatus `json:"revision,omitempty"`

	// Replicas is the number of ready pods.
	// +optional
	Replicas int32 `json:"replicas"`

	// Selector of the pods, for the scale subresource.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Selector string `json:"selector,omitempty"`

	// Conditions of the flow.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GetConditions returns the conditions of the flow.
func (f *Flow) GetConditions() []metav1.Condition { return f.Status.Conditions }

// SetConditions replaces the conditions of the flow.
func (f *Flow) SetConditions(c []metav1.Condition) { f.Status.Conditions = c }
