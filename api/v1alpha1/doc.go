// Package v1alpha1 holds the kinds of the API group weft.run, version
// v1alpha1: Flow and Workspace, the names of their conditions and reasons, and
// the closed list of error codes that a run can end with.
//
// It contains types, defaults and validation markers, and nothing else.
//
// +kubebuilder:object:generate=true
// +groupName=weft.run
package v1alpha1
