package flows

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/engine"
)

const (
	// maxTestRun bounds a test run from the start to the end.
	maxTestRun = 10 * time.Minute
	// patiencePage is how long a page waits for the test runtime of a workspace
	// that is being prepared.
	patiencePage = 2 * time.Minute
	// waitBetween is the time between two looks whether it is up.
	waitBetween = time.Second
	// maxRunsPerUser and maxRunsTotal bound the test runs under way here.
	maxRunsPerUser = 4
	maxRunsTotal   = 64
	// keepEvery bounds how often the record of a run under way is written.
	keepEvery = 500 * time.Millisecond
	// maxRecord bounds the record of a run, in bytes.
	maxRecord = 4 << 20
)

// runs executes test runs, keeps their records, and publishes their events.
type runs struct {
	client *testClient
	live   *realtime.Log
	store  *store.Store
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	byUser map[uuid.UUID]int
	total  int
	// base ends when the portal stops; going counts what is under way.
	base   context.Context //nolint:containedctx // it is the life of the module
	cancel context.CancelFunc
	going  sync.WaitGroup
}

func newRuns(client *testClient, d Deps) *runs {
	base, cancel := context.WithCancel(context.Background())
	return &runs{
		client: client, live: d.EventLog, store: d.Store, log: d.Log, now: d.Now,
		byUser: map[uuid.UUID]int{}, base: base, cancel: cancel,
	}
}

// Run waits for ctx, then ends what is under way.
func (t *runs) Run(ctx context.Context) error {
	<-ctx.Done()
	t.cancel()
	t.going.Wait()
	return nil
}

// enter admits one more run of the user; leave must follow.
func (t *runs) enter(user uuid.UUID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byUser[user] >= maxRunsPerUser || t.total >= maxRunsTotal {
		return &server.Error{
			Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second,
			Message: "Other test runs are still under way. Wait for one to end, then try again.",
		}
	}
	t.byUser[user]++
	t.total++
	t.going.Add(1)
	return nil
}

func (t *runs) leave(user uuid.UUID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total--
	if t.byUser[user]--; t.byUser[user] == 0 {
		delete(t.byUser, user)
	}
	t.going.Done()
}

// newRun returns the record of a run that begins now.
func (t *runs) newRun() *Run {
	return &Run{ID: store.NewID().String(), State: RunWaiting, Steps: []RunStep{}, StartedAt: t.now()}
}

// execute runs the draft, waiting for the test runtime as long as told, and
// records and hands on each event.
func (t *runs) execute(ctx context.Context, run *Run, draft testRun, wait time.Duration, sink func(engine.Event)) error {
	ctx, cancel := context.WithTimeout(ctx, maxTestRun)
	defer cancel()
	deadline := t.now().Add(wait)
	for {
		err := t.try(ctx, run, draft, sink)
		if !errors.Is(err, errNotUp) || t.now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitBetween):
		}
	}
}

func (t *runs) try(ctx context.Context, run *Run, draft testRun, sink func(engine.Event)) error {
	if draft.UID == "" {
		workspace, err := t.store.FindWorkspace(ctx, draft.Workspace)
		if err != nil {
			return err
		}
		if workspace.UID == nil {
			return errNotUp
		}
		draft.UID = *workspace.UID
	}
	return t.client.Run(ctx, draft, func(e engine.Event) {
		e.Run = run.ID
		run.Record(e)
		sink(e)
	})
}

// inBackground starts a run whose record browsers look at, and waits for its
// end for a moment. The record says how far it is.
func (t *runs) inBackground(ctx context.Context, who identity.Subject, flow uuid.UUID, draft testRun, moment time.Duration) (string, error) {
	if err := t.enter(who.UserID); err != nil {
		return "", err
	}
	run := t.newRun()
	keeper := &keeper{runs: t, who: who, flow: flow, run: run}
	if err := keeper.keep(ctx); err != nil {
		t.leave(who.UserID)
		return "", server.Unavailable("store of test runs", err)
	}
	done := make(chan struct{})
	go func() {
		defer t.leave(who.UserID)
		defer close(done)
		if err := t.execute(t.base, run, draft, patiencePage, keeper.event); err != nil {
			run.fail(runMessage(err))
			t.note(err)
		}
		if err := keeper.keep(t.base); err != nil {
			t.log.Warn("keeping the end of a test run", "error", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(moment):
	case <-ctx.Done():
	}
	return run.ID, nil
}

// note logs what is no fault of the flow's author.
func (t *runs) note(err error) {
	var refused *runRefused
	if !errors.As(err, &refused) && !errors.Is(err, errNotUp) && !errors.Is(err, context.Canceled) {
		t.log.Warn("a test run ended without a result", "error", err)
	}
}

// runMessage says in plain words why a run has no result.
func runMessage(err error) string {
	var refused *runRefused
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.Is(err, errNotUp):
		return notUpMessage
	case errors.Is(err, context.DeadlineExceeded):
		return "The run took too long and was stopped."
	case errors.Is(err, context.Canceled):
		return "The run was stopped."
	default:
		return "The connection to the workspace broke off. Please run it again."
	}
}

// notUpMessage is shown while a workspace is new.
const notUpMessage = "Your workspace is being prepared, try again in a few seconds."

// keeper writes the record of a run under way and publishes its events.
type keeper struct {
	runs *runs
	who  identity.Subject
	flow uuid.UUID
	run  *Run
	last time.Time
}

func (k *keeper) keep(ctx context.Context) error {
	k.last = k.runs.now()
	data, err := k.run.encode(maxRecord)
	if err != nil {
		return err
	}
	return k.runs.live.KeepRun(ctx, k.who.Workspace.ID, k.who.UserID, k.run.ID, data)
}

// event records and publishes. Both are for looking on: a failure does not
// stop the run.
func (k *keeper) event(e engine.Event) {
	k.runs.publish(k.who, k.flow, e)
	if k.runs.now().Sub(k.last) < keepEvery && e.Type != engine.RunStarted {
		return
	}
	if err := k.keep(k.runs.base); err != nil {
		k.runs.log.Debug("keeping a test run", "error", err)
	}
}

// publish sends an event to the author's browsers, without previews: those are
// in the record.
func (t *runs) publish(who identity.Subject, flow uuid.UUID, e engine.Event) {
	if t.live == nil || e.Type == engine.ComponentDelta {
		return
	}
	e.Input, e.Output, e.Result = nil, nil, nil
	data, err := json.Marshal(e)
	if err != nil {
		return
	}
	err = t.live.Publish(t.base, who.Workspace.ID, realtime.Event{Kind: "run", Flow: flow.String(), Data: data, User: who.UserID})
	if err != nil {
		t.log.Debug("publishing an event of a test run", "error", err)
	}
}
