package flows

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/flows/outline"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/realtime"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/catalog"
)

// Key is a key of the vault, as far as anybody may see it.
type Key struct {
	// Name that flows refer to.
	Name     string
	Title    string
	Provider string
	Last4    string
}

// Keys is what flows need of the vault: which keys there are, and storing one
// that is pasted in place.
type Keys interface {
	ListKeys(ctx context.Context, who identity.Subject) ([]Key, error)
	StoreKey(ctx context.Context, who identity.Subject, title, provider, value string) (Key, error)
}

// Deps are what the module needs.
type Deps struct {
	server.Deps
	// Catalog of the step types.
	Catalog *catalog.Catalog
	// Views render flows for browsers. Nil where the web module does not run
	// here: answers are JSON then.
	Views Views
	// Keys of the vault.
	Keys Keys
	// Minter signs the tokens of test runs.
	Minter Minter
	// EventLog takes the events and records of test runs.
	EventLog *realtime.Log
	// TestRuntimeURL is the address of a workspace's test runtime, in which
	// {namespace} stands for the workspace's namespace.
	TestRuntimeURL string
	// ClusterTimeout bounds each call to the cluster. Default 3 s.
	ClusterTimeout time.Duration
	// Patience is how long a program's run waits for the test runtime of a
	// workspace that is being prepared. Default 15 s.
	Patience time.Duration
}

// DefaultTestRuntimeURL is the address within a cluster.
const DefaultTestRuntimeURL = "http://" + testRuntime + ".{namespace}.svc"

// Module is the flows module.
type Module struct {
	Deps
	cluster *cluster
	sync    *syncer
	runs    *runs
	editor  *outline.Editor
}

// New returns the module.
func New(d Deps) *Module {
	if d.ClusterTimeout == 0 {
		d.ClusterTimeout = 3 * time.Second
	}
	if d.Patience == 0 {
		d.Patience = 15 * time.Second
	}
	if d.TestRuntimeURL == "" {
		d.TestRuntimeURL = DefaultTestRuntimeURL
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	cache := d.Cache
	if cache == nil {
		cache = d.Kube
	}
	c := &cluster{kube: d.Kube, cache: cache, timeout: d.ClusterTimeout}
	return &Module{
		Deps:    d,
		cluster: c,
		sync:    &syncer{store: d.Store, cluster: c, log: d.Log, nudge: make(chan struct{}, 1)},
		runs:    newRuns(newTestClient(d.TestRuntimeURL, d.Minter), d),
		editor:  &outline.Editor{Catalog: d.Catalog, NewID: newStepID},
	}
}

// newStepID returns an id such as openai-chat-x7k2m9qd.
func newStepID(hint string) string {
	return hint + "-" + strings.ToLower(rand.Text()[:8])
}

// Background returns the work beside the requests.
func (m *Module) Background() []server.Background {
	work := []server.Background{
		{Name: "flows to the cluster", Run: m.sync.Run},
		{Name: "test runs", Run: m.runs.Run},
	}
	// Without a cache that watches, browsers see a status when they load a page.
	if informers, ok := m.Cache.(ctrlcache.Informers); ok {
		w := &watcher{informers: informers, live: m.EventLog, store: m.Store, log: m.Log, news: make(chan statusNews, maxNews)}
		work = append(work, server.Background{Name: "status of flows to browsers", Run: w.Run})
	}
	return work
}

// maxFlowBody bounds a request that carries a flow. The cluster takes no larger
// objects.
const maxFlowBody = 1536 << 10

// Routes returns the module's part of the table.
func (m *Module) Routes() []server.Route {
	signedIn := server.SignedIn()
	read := func(pattern, summary string, response any, h server.HandlerFunc) server.Route {
		return server.Route{Method: http.MethodGet, Pattern: pattern, Access: signedIn, Summary: summary, Response: response, Handler: h}
	}
	write := func(pattern, summary string, request, response any, h server.HandlerFunc) server.Route {
		return server.Route{
			Method: http.MethodPost, Pattern: pattern, Access: signedIn, Mutates: true, MaxBody: maxFlowBody,
			Summary: summary, Request: request, Response: response, Handler: h,
		}
	}
	remove := write("/flow/delete/{id}", "Deletes a flow, and its address.", nothing{}, Answer{}, m.delete)
	removeToo := remove
	removeToo.Method = http.MethodDelete
	revoke := write("/flow/{id}/endpoint-keys/{key}/delete", "Revokes an endpoint key.", nothing{}, Answer{}, m.revokeEndpointKey)
	return []server.Route{
		read("/flows", "Lists flows, the latest first; ?after=CURSOR&limit=N.", ListResponse{}, m.list),
		read("/flow/{id}", "Shows a flow.", FlowResponse{}, m.get),
		read("/flow/{id}/versions", "Lists the saved versions; ?before=N.", VersionsResponse{}, m.versions),
		read("/flow/{id}/export", "The flow as YAML, as kubectl takes it.", nil, m.export),
		read("/flow/{id}/share", "Who may call the flow, its address and endpoint keys.", ShareResponse{}, m.share),
		write("/flow/create", "Makes a flow from a template: ?template=NAME.", createRequest{}, FlowResponse{}, m.create),
		write("/flow/{id}/draft", "Keeps a draft.", draftRequest{}, DraftResponse{}, m.draft),
		write("/flow/{id}/save", "Saves a version and brings it to the cluster.", saveRequest{}, FlowResponse{}, m.save),
		write("/flow/{id}/run", "Runs the draft, or the flow that comes with the request, and answers when it is over.", runRequest{}, RunResponse{}, m.run),
		write("/flow/{id}/restore", "Makes an earlier version the draft.", restoreRequest{}, FlowResponse{}, m.restore),
		write("/flow/{id}/duplicate", "Copies a flow.", nothing{}, FlowResponse{}, m.duplicate),
		write("/flow/{id}/visibility", "Says who may call the flow.", visibilityRequest{}, FlowResponse{}, m.visibility),
		write("/flow/{id}/undelete", "Brings back a flow that was deleted a moment ago.", nothing{}, FlowResponse{}, m.undelete),
		read("/flow/{id}/endpoint-keys", "Lists the endpoint keys.", EndpointKeysResponse{}, m.listEndpointKeys),
		write("/flow/{id}/endpoint-keys", "Makes an endpoint key, which is shown once.", endpointKeyRequest{}, EndpointKeyResponse{}, m.createEndpointKey),
		remove, removeToo, revoke,
	}
}

// Answer is an answer without data.
type Answer struct {
	Success string `json:"success"`
	Message string `json:"message,omitempty"`
}

const success = "true"

// FlowResponse is an answer that shows a flow.
type FlowResponse struct {
	Success string   `json:"success"`
	Message string   `json:"message,omitempty"`
	Flow    Document `json:"flow"`
}

// nothing is the body of requests that carry none.
type nothing struct{}

// empty refuses a body where none is taken.
func empty(r *http.Request) error {
	_, err := server.Bind[nothing](r)
	return err
}

// subject returns who calls.
func subject(r *http.Request) (identity.Subject, error) {
	who, ok := identity.FromContext(r.Context())
	if !ok || who.Workspace.ID == uuid.Nil {
		return identity.Subject{}, server.Unauthorized("Please sign in first.")
	}
	return who, nil
}

// stored is a flow that is kept in the portal, as a request found it.
type stored struct {
	Who  identity.Subject
	Flow store.Flow
}

// find returns the caller and the flow that the path names.
func (m *Module) find(r *http.Request) (stored, error) {
	who, err := subject(r)
	if err != nil {
		return stored{}, err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return stored{}, server.NotFound()
	}
	flow, err := m.Store.Flow(r.Context(), who.Workspace.ID, id)
	return stored{Who: who, Flow: flow}, err
}

func (s stored) target() target {
	return target{Workspace: s.Who.Workspace.Name, Name: s.Flow.Name, ID: s.Flow.ID.String()}
}

// loaded is a flow with its draft and what the cluster says of it.
type loaded struct {
	stored
	Body     Body
	Revision int64
	// Object in the cluster, nil where there is none.
	Object *v1alpha1.Flow
	// Away says that the cluster did not answer.
	Away bool
}

func (m *Module) load(r *http.Request) (loaded, error) {
	s, err := m.find(r)
	if err != nil {
		return loaded{}, err
	}
	return m.loadStored(r.Context(), s)
}

func (m *Module) loadStored(ctx context.Context, s stored) (loaded, error) {
	draft, err := m.Store.Draft(ctx, s.Who.Workspace.ID, s.Flow.ID)
	if err != nil {
		return loaded{}, err
	}
	body, err := decodeBody(draft.Body)
	if err != nil {
		return loaded{}, err
	}
	l := loaded{stored: s, Body: body, Revision: draft.Revision}
	if s.Flow.CurrentVersion > 0 {
		l.Object, err = m.cluster.Get(ctx, s.target())
		if err != nil {
			m.Log.DebugContext(ctx, "reading a flow's status", "error", err)
			l.Away = true
		}
	}
	return l, nil
}

func (l loaded) status() Status { return statusOf(l.Flow, l.own(), l.Away) }

// own returns the object in the cluster if it is this flow's.
func (l loaded) own() *v1alpha1.Flow {
	if l.Object == nil || l.Object.Annotations[annotationID] != l.Flow.ID.String() {
		return nil
	}
	return l.Object
}

// readOnly says why the flow cannot be changed here.
func (l loaded) readOnly() string {
	if own := l.own(); own != nil {
		return ownerOf(own)
	}
	return ""
}

func (l loaded) url() string {
	if own := l.own(); own != nil {
		return own.Status.URL
	}
	return ""
}

// document returns the flow as the HTTP interface shows it.
func (l loaded) document() Document {
	doc := newDocument(&l.Body.Spec)
	doc.ID, doc.URL, doc.Status = l.Flow.ID.String(), l.url(), l.status()
	doc.Timestamp, doc.Revision, doc.ReadOnly = timestampOf(l.Flow), l.Revision, l.readOnly()
	return doc
}
