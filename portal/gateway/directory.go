package gateway

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
)

const (
	// flowLabel names the flow that an EndpointSlice belongs to.
	flowLabel = "weft.run/flow"
	// portName is the name of the port that serves runs.
	portName = "http"

	defaultRunTimeout        = time.Minute
	defaultMaxConcurrentRuns = 64
	defaultMaxBodyBytes      = 1 << 20
)

// name is how the world addresses a flow.
type name struct{ workspace, flow string }

// settings is what the gateway knows of a Flow object: an immutable copy of
// the few fields that decide about a request.
type settings struct {
	uid        string
	visibility v1alpha1.Visibility
	origins    []string
	limits     Limits
	maxBody    int64
	runTimeout time.Duration
	maxRuns    int64
	paused     bool
}

// endpoint is one pod that serves a flow.
type endpoint struct {
	address  string
	inFlight atomic.Int64
}

// record is all that is known under one name. It outlives changes of the flow
// and of its pods, so that what is in flight stays counted.
type record struct {
	settings  atomic.Pointer[settings]
	endpoints atomic.Pointer[[]*endpoint]
	inFlight  atomic.Int64

	mu      sync.Mutex
	slices  map[types.NamespacedName]*discoveryv1.EndpointSlice
	changed chan struct{} // closed when the endpoints change
}

// Directory knows every flow and the pods that serve it. Kubernetes is its one
// source; see Watch. It is safe for concurrent use.
type Directory struct {
	mu      sync.RWMutex
	records map[name]*record
	synced  atomic.Bool
}

// NewDirectory returns an empty Directory.
func NewDirectory() *Directory { return &Directory{records: map[name]*record{}} }

// Synced tells whether the Directory has heard of everything that there is.
// Before, it cannot tell an absent flow from one that it has not heard of.
func (d *Directory) Synced() bool { return d.synced.Load() }

// MarkSynced says that the Directory has heard of everything.
func (d *Directory) MarkSynced() { d.synced.Store(true) }

// size is the number of names that something is known of.
func (d *Directory) size() float64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return float64(len(d.records))
}

// lookup returns the record of a flow that exists.
func (d *Directory) lookup(n name) (*record, *settings) {
	d.mu.RLock()
	rec := d.records[n]
	d.mu.RUnlock()
	if rec == nil {
		return nil, nil
	}
	s := rec.settings.Load()
	if s == nil {
		return nil, nil
	}
	return rec, s
}

// SetFlow takes over a Flow object as it is now.
func (d *Directory) SetFlow(f *v1alpha1.Flow) {
	n, ok := nameOf(f.Namespace, f.Name)
	if !ok {
		return
	}
	if f.DeletionTimestamp != nil || meta.IsStatusConditionFalse(f.Status.Conditions, v1alpha1.ConditionExposed) {
		d.DeleteFlow(f.Namespace, f.Name)
		return
	}
	d.with(n, func(r *record) { r.settings.Store(newSettings(f)) })
}

// DeleteFlow forgets a Flow object.
func (d *Directory) DeleteFlow(namespace, flow string) {
	if n, ok := nameOf(namespace, flow); ok {
		d.with(n, func(r *record) { r.settings.Store(nil) })
	}
}

// SetSlice takes over an EndpointSlice as it is now.
func (d *Directory) SetSlice(s *discoveryv1.EndpointSlice) {
	if n, ok := nameOf(s.Namespace, s.Labels[flowLabel]); ok {
		d.with(n, func(r *record) { r.setSlice(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s) })
	}
}

// DeleteSlice forgets an EndpointSlice.
func (d *Directory) DeleteSlice(s *discoveryv1.EndpointSlice) {
	if n, ok := nameOf(s.Namespace, s.Labels[flowLabel]); ok {
		d.with(n, func(r *record) { r.setSlice(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, nil) })
	}
}

// with changes a record, which it makes where there is none and drops when
// nothing is left in it.
func (d *Directory) with(n name, change func(*record)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rec := d.records[n]
	if rec == nil {
		rec = newRecord()
		d.records[n] = rec
	}
	change(rec)
	if rec.settings.Load() == nil && len(rec.slices) == 0 {
		delete(d.records, n)
	}
}

// nameOf finds the address of an object. A namespace without the prefix is no
// workspace's: its objects are invisible.
func nameOf(namespace, flow string) (name, bool) {
	workspace, ok := strings.CutPrefix(namespace, v1alpha1.WorkspaceNamespacePrefix)
	return name{workspace, flow}, ok && workspace != "" && flow != ""
}

func newSettings(f *v1alpha1.Flow) *settings {
	e, r := f.Spec.Exposure, f.Spec.Runtime
	s := &settings{
		uid: string(f.UID), visibility: e.Visibility, maxBody: e.MaxBodyBytes,
		runTimeout: defaultRunTimeout, maxRuns: defaultMaxConcurrentRuns,
		paused: f.Spec.State == v1alpha1.StatePaused,
	}
	orDefault(&s.visibility, v1alpha1.VisibilityPrivate)
	if s.maxBody <= 0 {
		s.maxBody = defaultMaxBodyBytes
	}
	if r.RunTimeout != nil {
		s.runTimeout = r.RunTimeout.Duration
	}
	if r.MaxConcurrentRuns != nil {
		s.maxRuns = int64(*r.MaxConcurrentRuns)
	}
	for _, origin := range e.AllowedOrigins {
		s.origins = append(s.origins, strings.ToLower(origin))
	}
	if l := e.RateLimit; l != nil {
		s.limits = Limits{PerMinute: valueOf(l.RequestsPerMinute), PerCallerPerMinute: valueOf(l.PerCallerPerMinute), PerDay: valueOf(l.PerDay)}
	}
	return s
}

func valueOf[T int32 | int64](p *T) int64 {
	if p == nil {
		return 0
	}
	return int64(*p)
}

func newRecord() *record {
	r := &record{slices: map[types.NamespacedName]*discoveryv1.EndpointSlice{}, changed: make(chan struct{})}
	r.endpoints.Store(&[]*endpoint{})
	return r
}

func (r *record) setSlice(id types.NamespacedName, s *discoveryv1.EndpointSlice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == nil {
		delete(r.slices, id)
	} else {
		r.slices[id] = s
	}
	r.rebuild()
	close(r.changed)
	r.changed = make(chan struct{})
}

// rebuild lists the addresses of all slices. Pods that are ready and stay are
// preferred; where there are none, those that still serve while they end.
func (r *record) rebuild() {
	var ready, leaving []string
	for _, s := range r.slices {
		port := portOf(s)
		if port == "" || s.AddressType == discoveryv1.AddressTypeFQDN {
			continue
		}
		for _, e := range s.Endpoints {
			switch c := e.Conditions; {
			case len(e.Addresses) == 0:
			case isTrue(c.Ready, true) && !isTrue(c.Terminating, false):
				ready = append(ready, joinHostPort(e.Addresses[0], port))
			case isTrue(c.Serving, false) && isTrue(c.Terminating, false):
				leaving = append(leaving, joinHostPort(e.Addresses[0], port))
			}
		}
	}
	if len(ready) == 0 {
		ready = leaving
	}
	r.replace(ready)
}

// replace swaps the list, keeping the counters of pods that are in both.
func (r *record) replace(addresses []string) {
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	known := map[string]*endpoint{}
	for _, e := range *r.endpoints.Load() {
		known[e.address] = e
	}
	next := make([]*endpoint, 0, len(addresses))
	for _, a := range addresses {
		e := known[a]
		if e == nil {
			e = &endpoint{address: a}
		}
		next = append(next, e)
	}
	r.endpoints.Store(&next)
}

// onChange returns a channel that is closed when the endpoints change.
func (r *record) onChange() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func isTrue(b *bool, unset bool) bool {
	if b == nil {
		return unset
	}
	return *b
}
