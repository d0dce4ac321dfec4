package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	giveBackEvery = time.Minute
	// worthGivingBack is the garbage and free memory below which it is not
	// worth the work. One password check leaves 19 MiB.
	worthGivingBack = 16 << 20
)

// giveBack returns memory to the system that a burst of sign-ins took. Left
// alone, Go keeps it for the next burst.
func giveBack(ctx context.Context) error {
	ticker := time.NewTicker(giveBackEvery)
	defer ticker.Stop()
	live := uint64(0) // bytes in use after the last time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if heldBytes() < live+worthGivingBack {
			continue
		}
		debug.FreeOSMemory()
		live = heldBytes()
	}
}

// heldBytes is what the heap has from the system.
func heldBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys - m.HeapReleased
}
