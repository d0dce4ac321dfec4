// Package apply brings objects into the cluster by server-side apply, with one
// field manager, and only where something would change.
package apply
