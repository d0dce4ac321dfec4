// Package connect holds the component types that reach other services.
package connect
