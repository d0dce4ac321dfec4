package server

import (
	"context"
	"time"

	"github.com/weft-run/weft/runtime/resident"
)

// idleAfter is how long a runtime must have had no request before memory that
// only requests and the start need is given back.
const idleAfter = time.Minute

// trim gives back memory that is needed again only when something happens:
// garbage of the start, and those pages of the program file that were read on
// the way.
func (s *Server) trim() {
	if err := resident.Release(); err != nil {
		s.log.Debug("giving back memory", "error", err)
	}
}

// trimWhenIdle trims once after each time of activity, until ctx ends.
func (s *Server) trimWhenIdle(ctx context.Context) {
	var trimmedAt, last int64
	ticker := time.NewTicker(idleAfter)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.requests.Load()
		if now == last && now != trimmedAt {
			s.trim()
			trimmedAt = now
		}
		last = now
	}
}
