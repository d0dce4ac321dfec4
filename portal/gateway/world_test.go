package gateway_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
	"github.com/weft-run/weft/portal/identity"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

// Credentials and people of the world that these tests play in.
const (
	helloKey   = "wk_hello0123456789abcdefghij"
	otherKey   = "wk_other0123456789abcdefghij"
	expiredKey = "wk_expired0123456789abcdefgh"
	unknownKey = "wk_unknown0123456789abcdefgh"

	ownerToken    = "owner.a.b.c.d"
	memberToken   = "member.a.b.c.d"
	strangerToken = "stranger.a.b.c.d"
	badToken      = "bad.a.b.c.d"
)

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

var (
	ownerID, memberID, strangerID = id(1), id(2), id(3)
	workspaceID                   = id(9)
	helloKeyID                    = id(21)
)

// fakeStore is a database that can be away, slow, or wrong.
type fakeStore struct {
	mu      sync.Mutex
	keys    map[[32]byte]store.EndpointKey
	roles   map[uuid.UUID]string
	err     error
	hang    bool
	asked   int
	now     int // questions that wait for an answer
	most    int // the most that ever did
	touched []uuid.UUID
}

func newFakeStore(now time.Time) *fakeStore {
	s := &fakeStore{keys: map[[32]byte]store.EndpointKey{}, roles: map[uuid.UUID]string{ownerID: "owner", memberID: "reader"}}
	past := now.Add(-time.Second)
	s.keys[sha256.Sum256([]byte(helloKey))] = store.EndpointKey{ID: helloKeyID, WorkspaceID: workspaceID, WorkspaceName: "acme", FlowName: "hello"}
	s.keys[sha256.Sum256([]byte(otherKey))] = store.EndpointKey{ID: id(22), WorkspaceID: workspaceID, WorkspaceName: "acme", FlowName: "other"}
	s.keys[sha256.Sum256([]byte(expiredKey))] = store.EndpointKey{ID: id(23), WorkspaceID: workspaceID, WorkspaceName: "acme", FlowName: "hello", ExpiresAt: &past}
	return s
}

func (s *fakeStore) trouble(ctx context.Context) error {
	s.mu.Lock()
	s.asked++
	s.now++
	s.most = max(s.most, s.now)
	err, hang := s.err, s.hang
	s.mu.Unlock()
	defer s.set(func(s *fakeStore) { s.now-- })
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *fakeStore) set(change func(*fakeStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *fakeStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *fakeStore) FindEndpointKey(ctx context.Context, hash []byte) (store.EndpointKey, error) {
	if err := s.trouble(ctx); err != nil {
		return store.EndpointKey{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.keys[[32]byte(hash)]
	if !ok {
		return store.EndpointKey{}, store.ErrNotFound
	}
	return key, nil
}

func (s *fakeStore) TouchEndpointKey(_ context.Context, _, key uuid.UUID, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched = append(s.touched, key)
	return nil
}

func (s *fakeStore) FindWorkspace(ctx context.Context, name string) (store.Workspace, error) {
	if err := s.trouble(ctx); err != nil {
		return store.Workspace{}, err
	}
	if name != "acme" {
		return store.Workspace{}, store.ErrNotFound
	}
	return store.Workspace{ID: workspaceID, Name: name}, nil
}

func (s *fakeStore) MemberRole(ctx context.Context, user, _ uuid.UUID) (string, error) {
	if err := s.trouble(ctx); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	role, ok := s.roles[user]
	if !ok {
		return "", store.ErrNotFound
	}
	return role, nil
}

// fakeUsers is an identity service.
type fakeUsers struct {
	mu     sync.Mutex
	verify func(ctx context.Context, token string) (identity.Subject, error)
	seen   []*http.Request
}

func newFakeUsers() *fakeUsers {
	people := map[string]uuid.UUID{ownerToken: ownerID, memberToken: memberID, strangerToken: strangerID}
	return &fakeUsers{verify: func(_ context.Context, token string) (identity.Subject, error) {
		if user, ok := people[token]; ok {
			return identity.Subject{UserID: user}, nil
		}
		return identity.Subject{}, server.Unauthorized("Please sign in first.")
	}}
}

func (u *fakeUsers) Verify(ctx context.Context, r *http.Request) (identity.Subject, error) {
	u.mu.Lock()
	u.seen = append(u.seen, r)
	verify := u.verify
	u.mu.Unlock()
	return verify(ctx, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}

// verifyNobody is what an identity service says after everyone was logged out.
func (u *fakeUsers) verifyNobody(context.Context, string) (identity.Subject, error) {
	return identity.Subject{}, server.Unauthorized("Please sign in first.")
}

func (u *fakeUsers) set(verify func(context.Context, string) (identity.Subject, error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.verify = verify
}

// clock is a clock that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// pod is a server that does what a runtime does with a request's token, and
// hands the rest to a handler.
type pod struct {
	*httptest.Server
	verifier *requesttoken.Verifier
	handle   http.HandlerFunc

	mu     sync.Mutex
	claims []requesttoken.Claims
	seen   []*http.Request
}

const helloUID = "7a1f0000-0000-4000-8000-000000000001"

func newPod(t testing.TB, handle http.HandlerFunc) *pod {
	t.Helper()
	p := unstartedPod(t, handle)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func unstartedPod(t testing.TB, handle http.HandlerFunc) *pod {
	t.Helper()
	set, err := requesttoken.NewKeySet(signingKey().Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	p := &pod{verifier: requesttoken.NewVerifier(set), handle: handle}
	if handle == nil {
		p.handle = echo
	}
	p.Server = httptest.NewUnstartedServer(p)
	return p
}

// echo answers what a flow that returns its input answers.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := p.check(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", requesttoken.Header)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	p.mu.Lock()
	p.claims, p.seen = append(p.claims, claims), append(p.seen, r)
	p.mu.Unlock()
	p.handle(w, r)
}

func (p *pod) check(r *http.Request) (requesttoken.Claims, error) {
	target, err := request.Parse(r)
	if err != nil {
		return requesttoken.Claims{}, err
	}
	token, err := requesttoken.FromHeader(r.Header)
	if err != nil {
		return requesttoken.Claims{}, err
	}
	return p.verifier.Verify(token, requesttoken.Expect{Audience: helloUID, Method: target.Method, Path: target.Path, Now: time.Now()})
}

func (p *pod) requests() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.seen...)
}

func (p *pod) lastClaims() requesttoken.Claims {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.claims) == 0 {
		return requesttoken.Claims{}
	}
	return p.claims[len(p.claims)-1]
}

func signingKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) }

// world is a gateway with everything around it.
type world struct {
	t         testing.TB
	directory *gateway.Directory
	store     *fakeStore
	users     *fakeUsers
	gateway   *gateway.Gateway
	front     *httptest.Server
	logs      *syncBuffer
	registry  *prometheus.Registry
}

type option func(*gateway.Config, *gateway.Deps)

func withConfig(change func(*gateway.Config)) option {
	return func(c *gateway.Config, _ *gateway.Deps) { change(c) }
}

func withDeps(change func(*gateway.Deps)) option {
	return func(_ *gateway.Config, d *gateway.Deps) { change(d) }
}

func newWorld(t testing.TB, options ...option) *world {
	t.Helper()
	w := &world{
		t: t, directory: gateway.NewDirectory(), store: newFakeStore(time.Now()), users: newFakeUsers(),
		logs: &syncBuffer{}, registry: prometheus.NewRegistry(),
	}
	config := gateway.Config{EndpointWait: 50 * time.Millisecond}
	deps := gateway.Deps{
		Directory: w.directory, Users: w.users, Store: w.store, SigningKey: signingKey(), Registerer: w.registry,
		Log: slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, o := range options {
		o(&config, &deps)
	}
	var err error
	if w.gateway, err = gateway.New(config, deps); err != nil {
		t.Fatalf("gateway.New: %v", err)
	}
	w.directory.MarkSynced()
	w.front = httptest.NewUnstartedServer(nil)
	w.front.Config = gateway.NewServer(config, w.gateway, deps.Log)
	w.front.Start()
	t.Cleanup(w.front.Close)
	return w
}

// flow puts the flow acme/hello into the world.
func (w *world) flow(change func(*v1alpha1.Flow)) *v1alpha1.Flow {
	w.t.Helper()
	f := &v1alpha1.Flow{ObjectMeta: metav1.ObjectMeta{Namespace: "weft-ws-acme", Name: "hello", UID: helloUID}}
	f.Spec.Exposure.Visibility = v1alpha1.VisibilityPrivate
	if change != nil {
		change(f)
	}
	w.directory.SetFlow(f)
	return f
}

// public is flow with visibility Public.
func (w *world) public(change func(*v1alpha1.Flow)) {
	w.t.Helper()
	w.flow(func(f *v1alpha1.Flow) {
		f.Spec.Exposure.Visibility = v1alpha1.VisibilityPublic
		if change != nil {
			change(f)
		}
	})
}

// pods says where acme/hello is served.
func (w *world) pods(pods ...*pod) {
	w.t.Helper()
	addresses := make([]string, 0, len(pods))
	for _, p := range pods {
		addresses = append(addresses, p.Listener.Addr().String())
	}
	w.serve(addresses...)
}

func (w *world) serve(addresses ...string) {
	w.t.Helper()
	for i, a := range addresses {
		w.directory.SetSlice(slice(w.t, i, a, discoveryv1.EndpointConditions{}))
	}
	for i := len(addresses); i < 8; i++ {
		w.directory.DeleteSlice(slice(w.t, i, "127.0.0.1:1", discoveryv1.EndpointConditions{}))
	}
}

// slice is an EndpointSlice with one pod.
func slice(t testing.TB, i int, address string, c discoveryv1.EndpointConditions) *discoveryv1.EndpointSlice {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	portName, portNumber := "http", int32(n)
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "weft-ws-acme", Name: "flow-hello-" + strconv.Itoa(i), UID: types.UID(strconv.Itoa(i)),
			Labels: map[string]string{"weft.run/flow": "hello"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &portNumber}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{host}, Conditions: c}},
	}
}

// call is one request to the world.
type call struct {
	method, path, body string
	header             http.Header
}

type reply struct {
	status int
	header http.Header
	body   string
}

// newClient returns a client that does nothing of its own accord.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{DisableCompression: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w *world) do(c call) reply {
	w.t.Helper()
	r, err := w.try(w.t.Context(), c)
	if err != nil {
		w.t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return r
}

func (w *world) try(ctx context.Context, c call) (reply, error) {
	orDefault(&c.method, http.MethodPost)
	orDefault(&c.path, "/f/acme/hello")
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, w.front.URL+c.path, body)
	if err != nil {
		return reply{}, err
	}
	maps.Copy(req.Header, c.header)
	cl := newClient()
	defer cl.CloseIdleConnections()
	res, err := cl.Do(req)
	if err != nil {
		return reply{}, err
	}
	data, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, string(data)}, errors.Join(err, res.Body.Close())
}

func orDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func bearer(credential string) http.Header {
	return http.Header{"Authorization": {"Bearer " + credential}}
}

func apiKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// message returns the message of an answer of the gateway itself.
func (r reply) message(t testing.TB) string {
	t.Helper()
	var m struct{ Success, Message string }
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || m.Success != "false" {
		t.Errorf("not the shape of our answers: %q", r.body)
	}
	return m.Message
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
