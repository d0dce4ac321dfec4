// Package logic holds the component types that choose, shape and combine
// values.
package logic
