//go:build !linux

package graph

import (
	"testing"
	"time"
)

// cpuTime is how long a function takes.
func cpuTime(_ testing.TB, f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
