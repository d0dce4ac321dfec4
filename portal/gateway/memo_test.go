package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weft-run/weft/runtime/requesttoken"
)

// hand is a clock moved by hand.
type hand struct{ at atomic.Int64 }

func newHand() *hand {
	h := &hand{}
	h.at.Store(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).UnixNano())
	return h
}

func (h *hand) now() time.Time       { return time.Unix(0, h.at.Load()) }
func (h *hand) move(d time.Duration) { h.at.Add(int64(d)) }

// answers returns a question whose answer is how often it was asked.
func answers() (ask func(context.Context) (int, error), asked *atomic.Int32) {
	asked = &atomic.Int32{}
	return func(context.Context) (int, error) { return int(asked.Add(1)), nil }, asked
}

func TestMemoRemembersForItsTime(t *testing.T) {
	t.Parallel()
	clock := newHand()
	m := newMemo[string, int](time.Second, time.Second, clock.now)
	ask, _ := answers()
	steps := []struct {
		reason string
		move   time.Duration
		want   int
	}{
		{"The first question is asked.", 0, 1},
		{"The same one again is not.", 100 * time.Millisecond, 1},
		{"Not until its time is over.", 399 * time.Millisecond, 1},
		{"Then it is.", 501 * time.Millisecond, 2},
		{"A clock that goes back makes nothing live longer.", -10 * time.Second, 3},
	}
	for _, s := range steps {
		clock.move(s.move)
		if got, err := m.get(t.Context(), "q", ask); got != s.want || err != nil {
			t.Errorf("%s\ngot %d, %v, want %d", s.reason, got, err, s.want)
		}
	}
	if got, err := m.get(t.Context(), "another", ask); got != 4 || err != nil {
		t.Errorf("another question has another answer: %d, %v", got, err)
	}
}

func TestMemoRefreshesWhatIsInUse(t *testing.T) {
	t.Parallel()
	clock := newHand()
	m := newMemo[string, int](time.Second, time.Second, clock.now)
	ask, asked := answers()
	get := func() int {
		got, err := m.get(t.Context(), "q", ask)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	get()
	clock.move(600 * time.Millisecond)
	if got := get(); got != 1 {
		t.Errorf("the old answer still counts: %d", got)
	}
	waitFor(t, func() bool { return asked.Load() == 2 && get() == 2 })
	clock.move(900 * time.Millisecond)
	if got := get(); got != 2 {
		t.Errorf("the new answer counts from when it was asked for: %d", got)
	}
}

func TestMemoKeepsTheOldAnswerNoLonger(t *testing.T) {
	t.Parallel()
	clock := newHand()
	m := newMemo[string, int](time.Second, time.Second, clock.now)
	var fail atomic.Bool
	ask := func(context.Context) (int, error) {
		if fail.Load() {
			return 0, errors.New("away")
		}
		return 1, nil
	}
	if _, err := m.get(t.Context(), "q", ask); err != nil {
		t.Fatal(err)
	}
	fail.Store(true)
	clock.move(700 * time.Millisecond)
	if _, err := m.get(t.Context(), "q", ask); err != nil {
		t.Errorf("a refresh that fails harms nobody yet: %v", err)
	}
	clock.move(300 * time.Millisecond)
	if got, err := m.get(t.Context(), "q", ask); err == nil {
		t.Errorf("after its time, an answer counts no more, whatever the trouble: %d", got)
	}
	fail.Store(false)
	if _, err := m.get(t.Context(), "q", ask); err == nil {
		t.Error("a failure is remembered for a moment")
	}
	clock.move(errorTTL)
	if _, err := m.get(t.Context(), "q", ask); err != nil {
		t.Errorf("but only for a moment: %v", err)
	}
}

func TestMemoAsksOnceAtATime(t *testing.T) {
	t.Parallel()
	m := newMemo[string, int](time.Second, 10*time.Second, time.Now)
	gate := make(chan struct{})
	var asked atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got, err := m.get(t.Context(), "q", func(context.Context) (int, error) {
				<-gate
				return int(asked.Add(1)), nil
			})
			if got != 1 || err != nil {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
	close(gate)
	wg.Wait()
}

func TestMemoWaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	m := newMemo[string, int](time.Second, time.Hour, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	gate := make(chan struct{})
	go cancel()
	_, err := m.get(ctx, "q", func(context.Context) (int, error) { <-gate; return 1, nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the caller left, but: %v", err)
	}
	close(gate)
	if got, err := m.get(t.Context(), "q", nil); got != 1 || err != nil {
		t.Errorf("the next caller gets the answer: %d, %v", got, err)
	}
}

func TestMemoIsBounded(t *testing.T) {
	t.Parallel()
	clock := newHand()
	m := newMemo[string, int](time.Second, time.Second, clock.now)
	ask, _ := answers()
	for i := range 2*maxMemo + 10 {
		if i == maxMemo/2 {
			clock.move(2 * time.Second) // half of them are over
		}
		if _, err := m.get(t.Context(), strconv.Itoa(i), ask); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.cells); n > maxMemo {
		t.Errorf("%d answers are remembered", n)
	}
}

func TestMinter(t *testing.T) {
	t.Parallel()
	signer, err := requesttoken.NewSigner(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	clock := newHand()
	m := &minter{signer: signer, reuse: 10 * time.Second, now: clock.now, tokens: map[tokenKey]minted{}}
	mint := func(path string) string {
		token, err := m.mint(tokenKey{audience: "u", workspace: "acme", flow: "hello", method: "POST", path: path, subject: "anonymous"})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := mint("/a")
	clock.move(9 * time.Second)
	if mint("/a") != first {
		t.Error("an equal request within 10 s gets the same token")
	}
	if mint("/b") == first {
		t.Error("another path got the same token")
	}
	clock.move(time.Second)
	if mint("/a") == first {
		t.Error("after 10 s there is a new one")
	}
	for i := range maxTokens {
		m.tokens[tokenKey{path: strconv.Itoa(i)}] = minted{}
	}
	mint("/c")
	if n := len(m.tokens); n > maxTokens {
		t.Errorf("%d tokens are kept", n)
	}
}

func TestAccessLogQuota(t *testing.T) {
	t.Parallel()
	l := &accessLog{perSecond: 2}
	now := time.Unix(1000, 0)
	var got []bool
	for range 5 {
		ok, _ := l.allow(now, false)
		got = append(got, ok)
	}
	if !got[0] || !got[1] || got[2] || got[4] {
		t.Errorf("two lines of five: %v", got)
	}
	if ok, _ := l.allow(now, true); !ok {
		t.Error("failures have a quota of their own")
	}
	if ok, skipped := l.allow(now.Add(time.Second), false); !ok || skipped != 3 {
		t.Errorf("the next line says how many were left out: %v, %d", ok, skipped)
	}
}

func TestLeasesAreBounded(t *testing.T) {
	t.Parallel()
	clock := newHand()
	l := &limiter{leases: map[string]*lease{}}
	for i := range 2 * maxLeases {
		l.lease(strconv.Itoa(i), clock.now())
	}
	if n := len(l.leases); n > maxLeases {
		t.Errorf("%d leases", n)
	}
	clock.move(time.Hour)
	l.evict(clock.now())
	if n := len(l.leases); n != 0 {
		t.Errorf("%d leases that nobody needs are kept", n)
	}
}

func TestRepliesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	r := rule{limit: 100}
	for name, reply := range map[string][]int64{
		"empty": nil, "short": {1, 1, 0}, "long": {1, 1, 0, 0, 0}, "negative": {-1, 1, 0, 0}, "more than asked for": {6, 1, 0, 0},
		"more than there is": {1, 101, 0, 0}, "negative time": {0, 0, -1, 0}, "negative reset": {0, 0, 1, -1},
	} {
		if g, err := readGrant(reply, r, 5, 0); err == nil {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if g, err := readGrant([]int64{5, 95, 0, 1000}, r, 5, 0); err != nil || g.permits != 5 || g.remaining != 95 || g.reset != time.Millisecond {
		t.Errorf("a good one: %+v, %v", g, err)
	}
}

// waitFor waits for what another goroutine does.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("it did not happen")
		}
	}
}
