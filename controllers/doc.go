// Package controllers turns Flow and Workspace objects into the Kubernetes
// objects that make them real, and tells in their status what is true of them.
//
// Each kind has a reconciler of the same shape: a list of phases that fill a
// scope, and one patch of the status in the end. What is decided is decided in
// package render (which objects) and package status (which conditions), without
// a cluster; here is only the reading and writing.
package controllers
