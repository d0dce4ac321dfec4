// Package render turns a Flow or a Workspace into the Kubernetes objects that
// make it real. Its functions are pure: the same input gives the same objects,
// and nothing is read from or written to a cluster.
package render
