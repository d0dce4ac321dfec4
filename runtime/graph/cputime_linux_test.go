package graph

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// cpuTime is how long a function keeps a processor busy. Unlike the time on the
// clock it does not depend on what else the machine does.
func cpuTime(t testing.TB, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime(t)
	f()
	return threadTime(t) - before
}

func threadTime(t testing.TB) time.Duration {
	t.Helper()
	const thread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thread, &usage); err != nil {
		t.Fatalf("reading the time of the thread: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
