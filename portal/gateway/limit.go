package gateway

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Limits are kept in Redis, so that all gateways share them, but are not asked
// for there with each request: a gateway takes a small block of permits at a
// time and hands them out itself. A block is at most a tenth of the limit
// divided by the number of gateways (and one permit where the limit is small),
// so that all of them together can be off by a tenth, and a limit that nobody
// comes near costs next to nothing.
//
// While Redis is away, or takes longer than the time-out, each gateway admits
// its share of every limit by itself.

const (
	// maxLeases bounds the number of limits that are held in memory.
	maxLeases = 20_000
	// maxBlock bounds a block of permits.
	maxBlock = 1000
	// leaseLife is how long a block of a per-minute limit may be handed out.
	leaseLife = time.Minute
	// breakerPause is how long Redis is left alone after it failed.
	breakerPause = time.Second
)

// rule is one limit that a request counts against.
type rule struct {
	// key names it: ids, and addresses only as a keyed hash.
	key   string
	limit int64
	// day is for a limit from midnight to midnight UTC; otherwise per minute.
	day bool
	// what names it for the caller, label for metrics.
	what, label string
}

// grant is what came of asking for a block.
type grant struct {
	permits   int64
	remaining int64
	// after tells when there may be a permit again, where there is none now.
	after time.Duration
	// reset tells when the limit is as fresh as at the beginning.
	reset time.Duration
}

// blocks hands out blocks of permits to all gateways.
type blocks interface {
	take(ctx context.Context, r rule, n int64, now time.Time) (grant, error)
}

// verdict is what came of all the rules of a request.
type verdict struct {
	// denied is the rule that said no, if any did.
	denied *rule
	after  time.Duration
	// limit, remaining and reset speak of the rule with the fewest permits left.
	// limit is 0 where there are no rules.
	limit, remaining int64
	reset            time.Duration
}

type limiter struct {
	shared   blocks // nil: the local bounds are all there is
	timeout  time.Duration
	replicas int64
	now      func() time.Time
	log      *slog.Logger
	fellBack func()

	// brokenUntil is the time, in Unix nanoseconds, until which Redis is left
	// alone.
	brokenUntil atomic.Int64

	mu     sync.Mutex
	leases map[string]*lease
}

// lease is this gateway's part of one limit.
type lease struct {
	mu sync.Mutex
	// permits of the present block, good until.
	permits int64
	until   time.Time
	// remaining and resetAt are what Redis said with the block.
	remaining int64
	resetAt   time.Time
	// deniedUntil spares asking again what was answered with no.
	deniedUntil time.Time
	// used is when the lease was last needed.
	used time.Time
	// local is the bound while Redis is away.
	local localBound
}

// admit takes a permit of every rule, or of none.
func (l *limiter) admit(ctx context.Context, rules []rule) verdict {
	v := verdict{}
	for i := range rules {
		r := &rules[i]
		ok, state := l.take(ctx, *r)
		if v.limit == 0 || state.remaining < v.remaining || !ok {
			v.limit, v.remaining, v.reset = r.limit, state.remaining, state.reset
		}
		if !ok {
			l.giveBack(rules[:i])
			v.denied, v.after = r, max(state.after, time.Millisecond)
			return v
		}
	}
	return v
}

// take takes one permit of one rule.
func (l *limiter) take(ctx context.Context, r rule) (bool, grant) {
	now := l.now()
	le := l.lease(r.key, now)
	le.mu.Lock()
	defer le.mu.Unlock()
	if now.Before(le.deniedUntil) {
		return false, grant{after: le.deniedUntil.Sub(now), reset: le.resetAt.Sub(now)}
	}
	if le.permits <= 0 || !now.Before(le.until) {
		block, err := l.block(ctx, r, now)
		if err != nil {
			l.fellBack()
			return le.local.take(r, max(1, r.limit/l.replicas), now)
		}
		le.refill(r, block, now)
	}
	if le.permits <= 0 {
		return false, grant{after: le.deniedUntil.Sub(now), reset: le.resetAt.Sub(now)}
	}
	le.permits--
	return true, grant{remaining: le.remaining + le.permits, reset: max(0, le.resetAt.Sub(now))}
}

func (le *lease) refill(r rule, block grant, now time.Time) {
	le.permits, le.remaining = block.permits, block.remaining
	le.resetAt, le.until = now.Add(block.reset), now.Add(leaseLife)
	if r.day {
		le.until = midnight(now)
	}
	if block.permits <= 0 {
		le.deniedUntil = now.Add(block.after)
	}
}

// giveBack returns the permits of rules that said yes before another said no.
func (l *limiter) giveBack(rules []rule) {
	now := l.now()
	for i := range rules {
		le := l.lease(rules[i].key, now)
		le.mu.Lock()
		if now.Before(le.until) {
			le.permits++
		}
		le.mu.Unlock()
	}
}

// blockSize is how many permits are taken at a time.
func (l *limiter) blockSize(r rule) int64 {
	n := r.limit / (10 * l.replicas)
	if r.day { // permits of a day are not replaced when a gateway ends
		n /= 10
	}
	return min(max(n, 1), maxBlock)
}

// block asks Redis, unless it failed a moment ago.
func (l *limiter) block(ctx context.Context, r rule, now time.Time) (grant, error) {
	if l.shared == nil || now.UnixNano() < l.brokenUntil.Load() {
		return grant{}, errNoRedis
	}
	g, err := l.bounded(ctx, r, now)
	if err != nil && ctx.Err() == nil {
		if until := now.Add(breakerPause).UnixNano(); l.brokenUntil.Swap(until) < now.UnixNano()-int64(10*breakerPause) {
			l.log.WarnContext(ctx, "Redis does not answer; limits are kept by each gateway alone", "error", err)
		}
	}
	return g, err
}

// bounded asks Redis and waits no longer than the time-out, whatever the
// client does with its context.
func (l *limiter) bounded(ctx context.Context, r rule, now time.Time) (grant, error) {
	// A caller who goes away must not make the limit look broken.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	type result struct {
		grant grant
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer cancel()
		g, err := l.shared.take(ctx, r, l.blockSize(r), now)
		done <- result{g, err}
	}()
	select {
	case res := <-done:
		return res.grant, res.err
	case <-ctx.Done():
	}
	select { // both may have come at once
	case res := <-done:
		return res.grant, res.err
	default:
		return grant{}, ctx.Err()
	}
}

// lease returns the lease of a key. When there are too many, those that have
// not been needed for a while go, and then any.
func (l *limiter) lease(key string, now time.Time) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	le := l.leases[key]
	if le == nil {
		if len(l.leases) >= maxLeases {
			l.evict(now)
		}
		le = &lease{}
		l.leases[key] = le
	}
	le.used = now
	return le
}

func (l *limiter) evict(now time.Time) {
	for key, le := range l.leases {
		if now.Sub(le.used) > 2*leaseLife {
			delete(l.leases, key)
		}
	}
	for key := range l.leases {
		if len(l.leases) < maxLeases*9/10 {
			return
		}
		delete(l.leases, key)
	}
}

// localBound is one gateway's own bound of one limit.
type localBound struct {
	tat  time.Time // per minute: when the bucket is full again
	day  int       // per day: the day of the year that count speaks of
	took int64
}

func (b *localBound) take(r rule, limit int64, now time.Time) (bool, grant) {
	if r.day {
		return b.takeOfDay(limit, now)
	}
	interval := time.Minute / time.Duration(limit)
	tat := b.tat
	if tat.Before(now) {
		tat = now
	}
	free := now.Add(time.Minute).Sub(tat) / interval
	if free < 1 {
		return false, grant{after: tat.Add(interval).Sub(now.Add(time.Minute)), reset: tat.Sub(now)}
	}
	b.tat = tat.Add(interval)
	return true, grant{remaining: int64(free) - 1, reset: b.tat.Sub(now)}
}

func (b *localBound) takeOfDay(limit int64, now time.Time) (bool, grant) {
	if day := now.UTC().YearDay(); day != b.day {
		b.day, b.took = day, 0
	}
	left := midnight(now).Sub(now)
	if b.took >= limit {
		return false, grant{after: left, reset: left}
	}
	b.took++
	return true, grant{remaining: limit - b.took, reset: left}
}

// midnight is the end of the present day in UTC.
func midnight(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
}
