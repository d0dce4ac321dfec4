// Package limits bounds what all requests to a pod use together: runs at a
// time, and memory for bodies.
package limits
