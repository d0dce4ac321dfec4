package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/portal/store/storetest"
)

// flowWorld is a person with a flow.
type flowWorld struct {
	s         *store.Store
	user      store.User
	workspace uuid.UUID
	flow      store.Flow
}

func newFlowWorld(t *testing.T) flowWorld {
	t.Helper()
	s := storetest.New(t).Store
	user, workspace := person(t, s, "ana@example.com")
	w := flowWorld{s: s, user: user, workspace: workspace.ID}
	w.flow = w.create(t, "hello")
	return w
}

func (w flowWorld) create(t *testing.T, name string) store.Flow {
	t.Helper()
	flow, err := w.s.CreateFlow(t.Context(), w.workspace, store.NewFlow{
		ID: uuid.New(), Name: name, Title: name, UserID: w.user.ID, Draft: json.RawMessage(`{"spec":{}}`),
	})
	if err != nil {
		t.Fatalf("CreateFlow(%s): %v", name, err)
	}
	return flow
}

func (w flowWorld) change(body string, revision int64) store.DraftChange {
	return store.DraftChange{Body: json.RawMessage(body), Title: "changed", Revision: revision, UserID: w.user.ID}
}

func (w flowWorld) save(t *testing.T, spec string, revision int64) store.Flow {
	t.Helper()
	flow, err := w.s.SaveFlow(t.Context(), w.workspace, w.flow.ID, store.FlowSave{
		Spec: json.RawMessage(spec), Hash: "abc", Draft: w.change(`{"spec":`+spec+`}`, revision), Actor: "user:test",
	})
	if err != nil {
		t.Fatalf("SaveFlow: %v", err)
	}
	return flow
}

func TestFlowNamesAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	_, err := w.s.CreateFlow(t.Context(), w.workspace, store.NewFlow{ID: uuid.New(), Name: "hello", UserID: w.user.ID, Draft: json.RawMessage(`{}`)})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second flow of the name: %v, want ErrConflict", err)
	}
	other, elsewhere := person(t, w.s, "two@example.com")
	_, err = w.s.CreateFlow(t.Context(), elsewhere.ID, store.NewFlow{ID: uuid.New(), Name: "hello", UserID: other.ID, Draft: json.RawMessage(`{}`)})
	if err != nil {
		t.Errorf("the name in another workspace: %v", err)
	}
}

func TestDraftsHaveAnOptimisticLock(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	revision, err := w.s.UpdateDraft(t.Context(), w.workspace, w.flow.ID, w.change(`{"spec":{"title":"a"}}`, 1))
	if err != nil || revision != 2 {
		t.Fatalf("the first change: revision %d, %v; want 2", revision, err)
	}
	_, err = w.s.UpdateDraft(t.Context(), w.workspace, w.flow.ID, w.change(`{"spec":{"title":"b"}}`, 1))
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("a change of an older copy: %v, want ErrConflict", err)
	}
	draft, err := w.s.Draft(t.Context(), w.workspace, w.flow.ID)
	if err != nil || string(draft.Body) != `{"spec": {"title": "a"}}` || draft.Revision != 2 {
		t.Errorf("the draft is %s (revision %d, %v), want the first change", draft.Body, draft.Revision, err)
	}
}

func TestDraftsAtOnce(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	const writers = 8
	results := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := w.s.UpdateDraft(t.Context(), w.workspace, w.flow.ID, w.change(fmt.Sprintf(`{"writer":%d}`, i), 1))
			results <- err
		}()
	}
	won := 0
	for range writers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, store.ErrConflict):
			t.Errorf("a writer failed: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d writers of the same revision won, want 1", won, writers)
	}
}

func TestSaveMakesImmutableVersions(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	first := w.save(t, `{"title":"one"}`, 1)
	same := w.save(t, `{"title":"one"}`, 2)
	second := w.save(t, `{"title":"two"}`, 3)
	if diff := cmp.Diff([]int64{1, 1, 2}, []int64{first.CurrentVersion, same.CurrentVersion, second.CurrentVersion}); diff != "" {
		t.Errorf("a version that is the same as the current one is not made again: -want +got\n%s", diff)
	}
	versions, err := w.s.Versions(t.Context(), w.workspace, w.flow.ID, 0, 10)
	if err != nil || len(versions) != 2 || versions[0].Number != 2 || string(versions[1].Body) != `{"title": "one"}` {
		t.Errorf("the versions are %+v (%v), want 2 and 1", versions, err)
	}
	page, err := w.s.Versions(t.Context(), w.workspace, w.flow.ID, 2, 10)
	if err != nil || len(page) != 1 || page[0].Number != 1 {
		t.Errorf("the versions before 2 are %+v (%v), want 1", page, err)
	}
}

func TestSaveIsBoundToWhatWasSeen(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	long := time.UnixMilli(31231231)
	save := func(seen *time.Time, free bool, revision int64) error {
		_, err := w.s.SaveFlow(t.Context(), w.workspace, w.flow.ID, store.FlowSave{
			Spec: json.RawMessage(`{}`), Hash: "abc", Seen: seen, AnyRevision: free, Draft: w.change(`{"spec":{}}`, revision), Actor: "user:test",
		})
		return err
	}
	if err := save(&long, true, 0); err != nil {
		t.Errorf("a flow that nobody has changed takes any timestamp: %v", err)
	}
	if err := save(&long, true, 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an older copy than what is stored: %v, want ErrConflict", err)
	}
	now := time.Now().Add(time.Minute)
	if err := save(&now, true, 0); err != nil {
		t.Errorf("a newer copy: %v", err)
	}
	if err := save(nil, false, 1); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an older revision of the draft: %v, want ErrConflict", err)
	}
}

func TestTheClusterIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	due := func() int {
		t.Helper()
		taken, err := w.s.DueFlows(t.Context(), time.Minute, 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(taken)
	}
	if got := due(); got != 0 {
		t.Errorf("%d flows are due before any was saved", got)
	}
	w.save(t, `{"title":"one"}`, 1)
	if got := due(); got != 1 {
		t.Errorf("%d flows are due after a save, want 1", got)
	}
	if got := due(); got != 0 {
		t.Errorf("%d flows are due while somebody has them, want 0", got)
	}
	taken, err := w.s.TakeFlow(t.Context(), w.workspace, w.flow.ID, time.Minute)
	if err != nil || taken {
		t.Errorf("a flow that somebody has is taken: %v, %v", taken, err)
	}
	w.save(t, `{"title":"two"}`, 2)
	if err := w.s.FlowApplied(t.Context(), w.workspace, w.flow.ID, 1); err != nil {
		t.Fatal(err)
	}
	if got := due(); got != 1 {
		t.Errorf("%d flows are due where an older version was applied, want 1", got)
	}
	if err := w.s.FlowApplied(t.Context(), w.workspace, w.flow.ID, 2); err != nil {
		t.Fatal(err)
	}
	if err := w.s.FlowApplied(t.Context(), w.workspace, w.flow.ID, 1); err != nil {
		t.Fatal(err)
	}
	if got := due(); got != 1 {
		t.Errorf("%d flows are due after a late write of an older version, want 1: it may have gone over the newer one", got)
	}
	flow, err := w.s.Flow(t.Context(), w.workspace, w.flow.ID)
	if err != nil || flow.AppliedVersion != 2 {
		t.Errorf("the applied version is %d (%v), want 2", flow.AppliedVersion, err)
	}
}

func TestFailuresAreShownAndSavesAreNotPutOff(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	w.save(t, `{"title":"one"}`, 1)
	if _, err := w.s.DueFlows(t.Context(), time.Minute, 10); err != nil {
		t.Fatal(err)
	}
	if err := w.s.FlowNotApplied(t.Context(), w.workspace, w.flow.ID, "Conflict", "kubectl", time.Hour); err != nil {
		t.Fatal(err)
	}
	flow, err := w.s.Flow(t.Context(), w.workspace, w.flow.ID)
	if err != nil || flow.SyncReason != "Conflict" || flow.SyncMessage != "kubectl" {
		t.Errorf("the flow says %q %q (%v)", flow.SyncReason, flow.SyncMessage, err)
	}
	w.save(t, `{"title":"two"}`, 2)
	if err := w.s.FlowNotApplied(t.Context(), w.workspace, w.flow.ID, "Conflict", "kubectl", time.Hour); err != nil {
		t.Fatal(err)
	}
	taken, err := w.s.DueFlows(t.Context(), time.Minute, 10)
	if err != nil || len(taken) != 1 {
		t.Errorf("%d flows are due (%v), want 1: a failure of the version before does not put off a save", len(taken), err)
	}
}

func TestDeletedFlowsComeBackOrGo(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	if err := w.s.DeleteFlow(t.Context(), w.workspace, w.flow.ID, "user:test"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Flow(t.Context(), w.workspace, w.flow.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted flow is found: %v", err)
	}
	if err := w.s.DeleteFlow(t.Context(), w.workspace, w.flow.ID, "user:test"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted flow is deleted again: %v", err)
	}
	left, err := w.s.PurgeFlow(t.Context(), w.workspace, w.flow.ID, time.Hour)
	if err != nil || left < 59*time.Minute {
		t.Errorf("a flow that was just deleted waits %v (%v), want an hour", left, err)
	}
	if err := w.s.UndeleteFlow(t.Context(), w.workspace, w.flow.ID, "user:test"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.PurgeFlow(t.Context(), w.workspace, w.flow.ID, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a flow that came back is purged: %v", err)
	}
	if err := w.s.DeleteFlow(t.Context(), w.workspace, w.flow.ID, "user:test"); err != nil {
		t.Fatal(err)
	}
	if left, err := w.s.PurgeFlow(t.Context(), w.workspace, w.flow.ID, 0); err != nil || left != 0 {
		t.Errorf("purging: %v left, %v", left, err)
	}
	names, err := w.s.FlowNames(t.Context(), w.workspace)
	if err != nil || len(names) != 0 {
		t.Errorf("the names that are left are %v (%v)", names, err)
	}
}

func TestFlowsComeInPages(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	for i := range 4 {
		w.create(t, fmt.Sprintf("flow-%d", i))
	}
	var names []string
	cursor := store.FlowCursor{}
	for range 5 {
		page, err := w.s.Flows(t.Context(), w.workspace, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, flow := range page {
			names = append(names, flow.Name)
			cursor = store.FlowCursor{UpdatedAt: flow.UpdatedAt, ID: flow.ID}
		}
	}
	if diff := cmp.Diff([]string{"flow-3", "flow-2", "flow-1", "flow-0", "hello"}, names); diff != "" {
		t.Errorf("each flow is on one page, the latest first: -want +got\n%s", diff)
	}
}

func TestKeyUses(t *testing.T) {
	t.Parallel()
	w := newFlowWorld(t)
	body := `{"spec":{"components":[{"id":"a","credential":{"vaultKeyRef":{"name":"gpt"}}},{"id":"b","credential":{"vaultKeyRef":{"name":"gpt"}}},{"id":"c"}]}}`
	if _, err := w.s.UpdateDraft(t.Context(), w.workspace, w.flow.ID, w.change(body, 1)); err != nil {
		t.Fatal(err)
	}
	uses, err := w.s.KeyUses(t.Context(), w.workspace)
	want := []store.KeyUse{{Key: "gpt", FlowID: w.flow.ID, Title: "changed"}}
	if diff := cmp.Diff(want, uses); diff != "" || err != nil {
		t.Errorf("each flow that uses a key is named once (%v): -want +got\n%s", err, diff)
	}
}
