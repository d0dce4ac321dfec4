package v1alpha1

// Condition types. Their names are API: tools outside of this project read
// them.
const (
	// ConditionAccepted is True when the spec is valid. False carries every
	// error of the graph in its message.
	ConditionAccepted = "Accepted"
	// ConditionResolvedRefs is True when everything that the spec names exists:
	// Secrets, keys of the vault, knowledge bases, flows.
	ConditionResolvedRefs = "ResolvedRefs"
	// ConditionAvailable is True while at least one pod serves some revision,
	// not necessarily the newest.
	ConditionAvailable = "Available"
	// ConditionExposed is True when the object has an address.
	ConditionExposed = "Exposed"
	// ConditionReady is True when a request to status.url is answered by the
	// revision of this generation. It is computed from the others.
	ConditionReady = "Ready"
	// ConditionReconciling is True while work on a generation that
	// status.observedGeneration has not reached yet is under way, and absent
	// otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the object will not get better by itself,
	// and absent otherwise.
	ConditionStalled = "Stalled"
)

// Reasons of conditions.
const (
	// ReasonReady: all of it is in place.
	ReasonReady = "Ready"
	// ReasonValid: the spec is valid.
	ReasonValid = "Valid"
	// ReasonInvalidSpec: the graph has errors; the message lists them.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonWorkspaceMissing: the namespace belongs to no Workspace.
	ReasonWorkspaceMissing = "WorkspaceMissing"
	// ReasonResolved: all references exist.
	ReasonResolved = "Resolved"
	// ReasonWorkspaceNotReady: the Workspace is not set up yet.
	ReasonWorkspaceNotReady = "WorkspaceNotReady"
	// ReasonNotChecked: the references could not be looked up.
	ReasonNotChecked = "NotChecked"
	// ReasonSecretNotFound: a Secret, or the key in it, does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonVaultKeyNotFound: the vault has no key of that name for this
	// workspace.
	ReasonVaultKeyNotFound = "VaultKeyNotFound"
	// ReasonServing: pods serve the desired revision.
	ReasonServing = "Serving"
	// ReasonServingPrevious: pods still serve an earlier revision.
	ReasonServingPrevious = "ServingPreviousRevision"
	// ReasonNoPods: no pod is ready.
	ReasonNoPods = "NoPodsReady"
	// ReasonCrashLoop: the runtime's container exits again and again.
	ReasonCrashLoop = "CrashLoop"
	// ReasonImagePull: the runtime's image cannot be started.
	ReasonImagePull = "ImageCannotStart"
	// ReasonQuotaExceeded: the workspace's quota allows no further pod.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonUnschedulable: no node has room for the pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonRolloutTimedOut: the rollout made no progress in its deadline.
	ReasonRolloutTimedOut = "RolloutTimedOut"
	// ReasonProgressing: a rollout is under way.
	ReasonProgressing = "Progressing"
	// ReasonScaledToZero: spec.runtime.replicas.min is 0.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonPaused: spec.state is Paused.
	ReasonPaused = "Paused"
	// ReasonAddressed: the object has an address.
	ReasonAddressed = "Addressed"
	// ReasonNoInputOrOutput: a flow needs a start and an output component to
	// get an address.
	ReasonNoInputOrOutput = "NoInputOrOutput"
	// ReasonNamespaceConflict: the namespace exists and belongs to something
	// else.
	ReasonNamespaceConflict = "NamespaceConflict"
	// ReasonTrustNotFound: the public keys that requests are checked with do not
	// exist in the system namespace yet.
	ReasonTrustNotFound = "TrustNotFound"
	// ReasonTestRuntimeDisabled: spec.testRuntime.disabled is set.
	ReasonTestRuntimeDisabled = "TestRuntimeDisabled"
	// ReasonApplyFailed: the Kubernetes API refused an object; the message says
	// which and why.
	ReasonApplyFailed = "ApplyFailed"
)
