package limits

import "sync/atomic"

// Gate lets a bounded number of runs in at a time.
type Gate struct {
	limit  int64
	inside atomic.Int64
}

// NewGate returns a gate for limit runs.
func NewGate(limit int) *Gate { return &Gate{limit: int64(limit)} }

// Enter lets one in, or says that it is full. Who was let in must call Leave
// once.
func (g *Gate) Enter() bool {
	if g.inside.Add(1) > g.limit {
		g.inside.Add(-1)
		return false
	}
	return true
}

// Leave makes room for another.
func (g *Gate) Leave() { g.inside.Add(-1) }

// Inside is how many are in. It may be one too many for a moment while another
// is turned away.
func (g *Gate) Inside() int { return int(g.inside.Load()) }
