package main

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/weft-run/weft/runtime/resident"
)

const (
	giveBackEvery = time.Minute
	// worthGivingBack is the garbage and free memory below which it is not
	// worth the work. One password check leaves 19 MiB.
	worthGivingBack = 16 << 20
)

// giveBack returns memory to the system that a burst of sign-ins took. Left
// alone, Go keeps it for the next burst.
func giveBack(ctx context.Context, log *slog.Logger) error {
	ticker := time.NewTicker(giveBackEvery)
	defer ticker.Stop()
	live := uint64(0) // bytes in use after the last time; 0 until the start's own was given back
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if live > 0 && heldBytes() < live+worthGivingBack {
			continue
		}
		if err := resident.Release(); err != nil {
			log.DebugContext(ctx, "giving back memory", "error", err)
		}
		live = heldBytes()
	}
}

// heldBytes is what the heap has from the system.
func heldBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys - m.HeapReleased
}
