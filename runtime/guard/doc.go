// Package guard makes the HTTP client with which flows reach the world. The
// address of every connection is checked at the moment of dialling, after the
// name is resolved, so that neither a clever spelling nor a name server that
// changes its mind leads into the cluster. See docs/promises: N1.
package guard
