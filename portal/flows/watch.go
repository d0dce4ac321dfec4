package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/store"
)

// maxNews bounds the changes of status that wait to be told. A browser that
// misses one sees the status when it loads the page.
const maxNews = 256

// watcher tells browsers when the status of a flow changes.
type watcher struct {
	informers ctrlcache.Informers
	live      *realtime.Log
	store     *store.Store
	log       *slog.Logger
	news      chan statusNews
}

// statusNews is a change of a flow's status.
type statusNews struct {
	Workspace string
	// Flow is the portal's id, or the name where the portal has none.
	Flow string
	// Key names the change, so that one replica tells it.
	Key    string
	Status statusEvent
}

// statusEvent is what a browser is told.
type statusEvent struct {
	State   Phase  `json:"state"`
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	URL     string `json:"url,omitempty"`
}

// watchRetry is the time between two tries to begin the watch: the cluster may
// come later than the portal.
const watchRetry = 3 * time.Second

// Run works until ctx ends.
func (w *watcher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.watch(ctx); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "watching the status of flows, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchRetry):
		}
	}
	return nil
}

func (w *watcher) watch(ctx context.Context) error {
	informer, err := w.informers.GetInformer(ctx, &v1alpha1.Flow{}, ctrlcache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("finding the flows: %w", err)
	}
	registration, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{UpdateFunc: w.changed})
	if err != nil {
		return fmt.Errorf("listening to the flows: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			if err := informer.RemoveEventHandler(registration); err != nil {
				return fmt.Errorf("ending the watch: %w", err)
			}
			return nil
		case news := <-w.news:
			if err := w.tell(ctx, news); err != nil && ctx.Err() == nil {
				w.log.DebugContext(ctx, "telling a change of status", "error", err)
			}
		}
	}
}

func (w *watcher) changed(before, after any) {
	was, okWas := before.(*v1alpha1.Flow)
	is, okIs := after.(*v1alpha1.Flow)
	if !okWas || !okIs || eventOf(was) == eventOf(is) {
		return
	}
	news := statusNews{
		Workspace: strings.TrimPrefix(is.Namespace, v1alpha1.WorkspaceNamespacePrefix),
		Flow:      is.Annotations[annotationID], Key: string(is.UID) + "/" + is.ResourceVersion, Status: eventOf(is),
	}
	if news.Flow == "" {
		news.Flow = is.Name
	}
	select {
	case w.news <- news:
	default:
	}
}

func eventOf(flow *v1alpha1.Flow) statusEvent {
	var status Status
	objectStatus(&status, flow)
	return statusEvent{State: status.State, Ready: status.Ready, Reason: status.Reason, Message: status.Message, URL: flow.Status.URL}
}

func (w *watcher) tell(ctx context.Context, news statusNews) error {
	workspace, err := w.store.FindWorkspace(ctx, news.Workspace)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := json.Marshal(news.Status)
	if err != nil {
		return fmt.Errorf("encoding a change of status: %w", err)
	}
	return w.live.PublishOnce(ctx, workspace.ID, news.Key, realtime.Event{Kind: "flow", Flow: news.Flow, Data: data})
}
