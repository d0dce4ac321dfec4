// Package start holds the component types at which a run begins.
package start
