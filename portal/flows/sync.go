package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/store"
)

const (
	// syncEvery is how often the portal looks for flows that are due.
	syncEvery = 3 * time.Second
	// syncLease is how long one replica has a flow for itself.
	syncLease = 30 * time.Second
	// syncBatch bounds the flows that are taken at once.
	syncBatch = 20
	// undoFor is how long a deleted flow can be brought back.
	undoFor = 15 * time.Minute
	// backoffMax bounds the time between tries while the cluster is away.
	backoffMax = time.Minute
	// refusedAgain is when to try anew what the cluster refused: somebody may
	// have removed the obstacle.
	refusedAgain = 2 * time.Minute
)

// syncer brings the cluster up to what is saved: it writes versions that the
// cluster does not have and removes objects of deleted flows. It is driven by
// the state in the database, so that nothing is lost with a process.
type syncer struct {
	store   *store.Store
	cluster *cluster
	log     *slog.Logger
	nudge   chan struct{}
}

// Run works until ctx ends.
func (s *syncer) Run(ctx context.Context) error {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	for {
		s.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.nudge:
		}
	}
}

// Nudge lets the next round begin at once.
func (s *syncer) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

func (s *syncer) round(ctx context.Context) {
	due, err := s.store.DueFlows(ctx, syncLease, syncBatch)
	if err != nil {
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "looking for flows that are due", "error", err)
		}
		return
	}
	for _, d := range due {
		if err := s.sync(ctx, d); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "bringing a flow to the cluster", "flow", d.FlowID, "attempt", d.Attempts, "error", err)
		}
	}
	if len(due) == syncBatch {
		s.Nudge()
	}
}

// Now brings one flow to the cluster at once, unless another replica is at it.
// The error says why the cluster does not have it; it will be tried again.
func (s *syncer) Now(ctx context.Context, workspace, id uuid.UUID) error {
	taken, err := s.store.TakeFlow(ctx, workspace, id, syncLease)
	if err != nil || !taken {
		return err
	}
	return s.sync(ctx, store.FlowSync{FlowID: id, WorkspaceID: workspace, Attempts: 1})
}

func (s *syncer) sync(ctx context.Context, due store.FlowSync) error {
	flow, err := s.store.AnyFlow(ctx, due.WorkspaceID, due.FlowID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	workspace, err := s.store.WorkspaceName(ctx, due.WorkspaceID)
	if err != nil {
		return err
	}
	at := target{Workspace: workspace, Name: flow.Name, ID: flow.ID.String()}
	if flow.DeletedAt != nil {
		return s.remove(ctx, due, at)
	}
	return s.apply(ctx, due, flow, at)
}

func (s *syncer) apply(ctx context.Context, due store.FlowSync, flow store.Flow, at target) error {
	if flow.CurrentVersion > 0 {
		if err := s.write(ctx, flow, at); err != nil {
			return s.failed(ctx, due, err)
		}
	}
	return s.store.FlowApplied(ctx, flow.WorkspaceID, flow.ID, flow.CurrentVersion)
}

func (s *syncer) write(ctx context.Context, flow store.Flow, at target) error {
	version, err := s.store.Version(ctx, flow.WorkspaceID, flow.ID, flow.CurrentVersion)
	if err != nil {
		return err
	}
	spec := new(v1alpha1.FlowSpec)
	if err := json.Unmarshal(version.Body, spec); err != nil {
		return fmt.Errorf("reading version %d: %w", version.Number, err)
	}
	return s.cluster.Apply(ctx, at, version.Number, spec)
}

func (s *syncer) remove(ctx context.Context, due store.FlowSync, at target) error {
	if err := s.cluster.Delete(ctx, at); err != nil {
		return s.failed(ctx, due, err)
	}
	left, err := s.store.PurgeFlow(ctx, due.WorkspaceID, due.FlowID, undoFor)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || left == 0 {
		return err
	}
	return s.store.FlowNotApplied(ctx, due.WorkspaceID, due.FlowID, "", "", left)
}

// failed notes why and when to try again, and returns the reason.
func (s *syncer) failed(ctx context.Context, due store.FlowSync, err error) error {
	reason, message, again := reasonAway, waitingMessage, backoff(due.Attempts)
	if refused, ok := errors.AsType[*clusterError](err); ok {
		reason, message = refused.Reason, refused.Message
		if reason != reasonAway {
			again = refusedAgain
		}
	}
	if noted := s.store.FlowNotApplied(ctx, due.WorkspaceID, due.FlowID, reason, message, again); noted != nil {
		return errors.Join(err, noted)
	}
	return err
}

// backoff doubles from one second.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(max(attempts-1, 0), 10), backoffMax)
}
