// Package status says what is true of a Flow or a Workspace. Its functions are
// pure: from what was observed in the cluster they compute conditions, with
// nothing read from or written to a cluster.
//
// Ready is computed from one chain of checks. The first that fails gives the
// reason; it also says whether the object will get better by itself.
package status
