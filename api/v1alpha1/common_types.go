package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Visibility says who may call an exposed flow or agent.
// +kubebuilder:validation:Enum=Private;Team;Public
type Visibility string

const (
	// VisibilityPrivate means: its owner and holders of its endpoint keys only.
	VisibilityPrivate Visibility = "Private"
	// VisibilityTeam means: members of the workspace's team, and holders of its
	// endpoint keys.
	VisibilityTeam Visibility = "Team"
	// VisibilityPublic means: anyone.
	VisibilityPublic Visibility = "Public"
)

// Page says what a browser gets at the address.
// +kubebuilder:validation:Enum=None;Form;Chat
type Page string

const (
	// PageNone means: no page; the address answers programs only.
	PageNone Page = "None"
	// PageForm means: a form with the fields of the input component.
	PageForm Page = "Form"
	// PageChat means: a chat.
	PageChat Page = "Chat"
)

// State says whether the flow or agent should run.
// +kubebuilder:validation:Enum=Running;Paused
type State string

const (
	// StateRunning means: it serves.
	StateRunning State = "Running"
	// StatePaused means: it has no pods, and its address answers 503.
	StatePaused State = "Paused"
)

// RuntimeMode says what kind of runtime executes the flow or agent.
// +kubebuilder:validation:Enum=Dedicated
type RuntimeMode string

// RuntimeDedicated means: a Deployment of its own.
const RuntimeDedicated RuntimeMode = "Dedicated"

// Exposure says who may reach the flow or agent from outside, and how much of
// it they may use.
type Exposure struct {
	// Visibility says who may call. Default Private.
	// +kubebuilder:default=Private
	// +optional
	Visibility Visibility `json:"visibility,omitempty"`

	// Host is a host name of its own, beside the address at the gateway.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`
	// +optional
	Host string `json:"host,omitempty"`

	// AllowedOrigins lists the web origins (scheme://host[:port]) whose pages
	// may call from a browser. Empty means none.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=300
	// +kubebuilder:validation:items:Pattern=`^https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`
	// +listType=set
	// +optional
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`

	// RateLimit bounds the number of requests. Absent limits mean the
	// gateway's defaults.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// MaxBodyBytes bounds a request's body. Default 1 MiB, at most 64 MiB.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=67108864
	// +kubebuilder:default=1048576
	// +optional
	MaxBodyBytes int64 `json:"maxBodyBytes,omitempty"`

	// Page says what a browser gets at the address. Default None.
	// +kubebuilder:default=None
	// +optional
	Page Page `json:"page,omitempty"`
}

// RateLimit bounds the number of requests to an address.
type RateLimit struct {
	// RequestsPerMinute of all callers together.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	RequestsPerMinute *int32 `json:"requestsPerMinute,omitempty"`

	// PerCallerPerMinute of one caller: a user, an endpoint key, or an address.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	PerCallerPerMinute *int32 `json:"perCallerPerMinute,omitempty"`

	// PerDay of all callers together, from midnight to midnight UTC.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000000
	// +optional
	PerDay *int64 `json:"perDay,omitempty"`
}

// Runtime says how the flow or agent is run.
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.replicas.max) || !has(self.replicas.min) || self.replicas.min <= self.replicas.max",message="replicas.min must not be larger than replicas.max"
type Runtime struct {
	// Mode is the kind of runtime. Default Dedicated.
	// +kubebuilder:default=Dedicated
	// +optional
	Mode RuntimeMode `json:"mode,omitempty"`

	// Resources of a runtime pod.
	// +optional
	Resources *Resources `json:"resources,omitempty"`

	// Replicas bounds the number of pods. Default 1 and 1.
	// +kubebuilder:default={}
	// +optional
	Replicas *Replicas `json:"replicas,omitempty"`

	// IdleTimeout is how long a runtime without requests stays awake where
	// replicas.min is 0. Default 15m, 1m to 24h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('24h')",message="idleTimeout must be between 1m and 24h"
	// +optional
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// RunTimeout is how long one run may take. Default 60s, 1s to 1h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="runTimeout must be between 1s and 1h"
	// +optional
	RunTimeout *metav1.Duration `json:"runTimeout,omitempty"`

	// MaxConcurrentRuns of one pod; further requests get 429. Default 64.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	// +optional
	MaxConcurrentRuns *int32 `json:"maxConcurrentRuns,omitempty"`

	// Egress says what the runtime may reach beside the public internet. An
	// entry counts only where the Workspace allows it too.
	// +optional
	Egress *Egress `json:"egress,omitempty"`
}

// Egress lists destinations outside of the public internet.
type Egress struct {
	// Allow lists host names, addresses and CIDR ranges.
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:Pattern=`^[A-Za-z0-9.:/*_-]+$`
	// +listType=set
	// +optional
	Allow []string `json:"allow,omitempty"`
}

// Replicas bounds the number of pods.
type Replicas struct {
	// Min is the number of pods that always run. Default 1. With 0 no pod
	// runs, and the flow says so in its status. This is the field that
	// "kubectl scale" sets.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +kubebuilder:default=1
	// +optional
	Min *int32 `json:"min,omitempty"`

	// Max is the number of pods that may run. Where it is larger than min, a
	// HorizontalPodAutoscaler decides between the two. Default: the same as
	// min, at least 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Max *int32 `json:"max,omitempty"`
}

// Resources of a runtime pod.
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.requests.memory) || !has(self.limits) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0",message="requests.memory must not be larger than limits.memory"
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.requests.cpu) || !has(self.limits) || !has(self.limits.cpu) || quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",message="requests.cpu must not be larger than limits.cpu"
type Resources struct {
	// Limits that the kernel enforces. Default memory 4Gi, no limit on cpu.
	// +optional
	Limits *ResourceAmounts `json:"limits,omitempty"`

	// Requests that the scheduler reserves. Default cpu 10m, memory 32Mi.
	// +optional
	Requests *ResourceAmounts `json:"requests,omitempty"`
}

// ResourceAmounts are amounts of cpu and memory.
type ResourceAmounts struct {
	// CPU in cores, for example 500m.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('10m')) >= 0 && quantity(string(self)).compareTo(quantity('64')) <= 0",message="cpu must be between 10m and 64"
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`

	// Memory in bytes, for example 256Mi; at most 4Gi.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('16Mi')) >= 0 && quantity(string(self)).compareTo(quantity('4Gi')) <= 0",message="memory must be between 16Mi and 4Gi"
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// Credential names a secret value. Exactly one of its fields is set. What it
// names is looked up in the workspace of the object, and nowhere else.
// +kubebuilder:validation:XValidation:rule="has(self.secretKeyRef) != has(self.vaultKeyRef)",message="set exactly one of secretKeyRef and vaultKeyRef"
type Credential struct {
	// SecretKeyRef names a key of a Kubernetes Secret in the same namespace.
	// +optional
	SecretKeyRef *SecretKeyRef `json:"secretKeyRef,omitempty"`

	// VaultKeyRef names a key in the portal's vault.
	// +optional
	VaultKeyRef *VaultKeyRef `json:"vaultKeyRef,omitempty"`
}

// SecretKeyRef names a key of a Kubernetes Secret.
type SecretKeyRef struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`
	Name string `json:"name"`

	// Key in the Secret's data.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^\.?[A-Za-z0-9_-][A-Za-z0-9._-]*$`
	Key string `json:"key"`
}

// VaultKeyRef names a key in the portal's vault.
type VaultKeyRef struct {
	// Name of the key: its address-friendly name, shown on the Keys page.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
}

// Address is one way to reach a flow or agent.
type Address struct {
	// Type is External for callers outside of the cluster, Internal for those
	// within.
	// +kubebuilder:validation:Enum=External;Internal
	Type string `json:"type"`

	// URL of the address.
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url"`
}

// RevisionStatus names the revisions of a flow or agent.
type RevisionStatus struct {
	// Desired is the revision of the newest valid spec.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Desired string `json:"desired,omitempty"`

	// Serving is the revision that answers requests or, while none does (the
	// condition Available says so), the last one that did.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Serving string `json:"serving,omitempty"`
}
