package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxMemo bounds the number of answers that are remembered of each kind.
	maxMemo = 8192
	// maxLoads bounds the questions that are asked at a time, so that a flood of
	// made-up credentials cannot take the whole database.
	maxLoads = 32
	// errorTTL is how long a failure is an answer too: long enough that a
	// database in trouble is not asked by every request, too short to be felt.
	errorTTL = 200 * time.Millisecond
)

var errTooManyLoads = errors.New("too many questions at a time")

// memo remembers the answers to questions that other parts are asked for many
// requests: whose key is this, what may this user do. An answer counts from the
// moment at which it was asked for, so that it is never older than ttl. Equal
// questions at the same time are asked once. Half-way through its life an
// answer in use is asked for again in the background.
type memo[K comparable, V any] struct {
	ttl, timeout time.Duration
	now          func() time.Time
	slots        chan struct{}

	mu    sync.Mutex
	cells map[K]*cell[V]
}

type cell[V any] struct {
	asked      time.Time
	done       chan struct{}
	value      V
	err        error
	refreshing bool
}

func newMemo[K comparable, V any](ttl, timeout time.Duration, now func() time.Time) *memo[K, V] {
	return &memo[K, V]{ttl: ttl, timeout: timeout, now: now, slots: make(chan struct{}, maxLoads), cells: map[K]*cell[V]{}}
}

// get returns the answer to a question, from memory or by asking.
func (m *memo[K, V]) get(ctx context.Context, key K, ask func(context.Context) (V, error)) (V, error) {
	c := m.cell(ctx, key, ask)
	if isDone(c) {
		return c.value, c.err
	}
	var none V
	timer := time.NewTimer(m.timeout)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.value, c.err
	case <-timer.C:
		return none, fmt.Errorf("no answer within %s: %w", m.timeout, context.DeadlineExceeded)
	case <-ctx.Done():
		return none, fmt.Errorf("waiting for an answer: %w", context.Cause(ctx))
	}
}

// cell returns the cell of a usable or coming answer.
func (m *memo[K, V]) cell(ctx context.Context, key K, ask func(context.Context) (V, error)) *cell[V] {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cells[key]
	if c == nil || m.stale(c, now) {
		c = &cell[V]{asked: now, done: make(chan struct{})}
		m.store(key, c, now)
		go m.load(context.WithoutCancel(ctx), c, ask)
		return c
	}
	if !c.refreshing && now.Sub(c.asked) > m.ttl/2 && isDone(c) && c.err == nil {
		c.refreshing = true
		go m.refresh(context.WithoutCancel(ctx), key, c, ask)
	}
	return c
}

// refresh replaces the old cell when the new answer is there. Where it fails,
// the old one simply ends.
func (m *memo[K, V]) refresh(ctx context.Context, key K, old *cell[V], ask func(context.Context) (V, error)) {
	next := &cell[V]{asked: m.now(), done: make(chan struct{})}
	m.load(ctx, next, ask)
	if next.err != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cells[key] == old {
		m.cells[key] = next
	}
}

func (m *memo[K, V]) load(ctx context.Context, c *cell[V], ask func(context.Context) (V, error)) {
	defer close(c.done)
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // nobody waits for the answer any more
		c.err = errTooManyLoads
		return
	}
	c.value, c.err = ask(ctx)
}

func (m *memo[K, V]) stale(c *cell[V], now time.Time) bool {
	age := now.Sub(c.asked)
	if age < 0 { // the clock went back
		return true
	}
	return isDone(c) && (age >= m.ttl || c.err != nil && age >= min(errorTTL, m.ttl))
}

// store keeps a cell. When the memory is full, everything that is over goes;
// where that is not enough, everything.
func (m *memo[K, V]) store(key K, c *cell[V], now time.Time) {
	if len(m.cells) >= maxMemo {
		for k, old := range m.cells {
			if m.stale(old, now) {
				delete(m.cells, k)
			}
		}
	}
	if len(m.cells) >= maxMemo {
		clear(m.cells)
	}
	m.cells[key] = c
}

func isDone[V any](c *cell[V]) bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
