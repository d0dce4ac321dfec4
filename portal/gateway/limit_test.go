package gateway_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/gateway"
)

// redises runs a test against every Redis there is: the one in this process,
// and a real one where the environment names it.
func redises(t *testing.T, test func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		t.Cleanup(func() { client.Close() })
		test(t, client)
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		address := os.Getenv("WEFT_TEST_REDIS_URL")
		if address == "" {
			t.Skip("WEFT_TEST_REDIS_URL is not set")
		}
		options, err := redis.ParseURL(address)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		t.Cleanup(func() { client.Close() })
		test(t, client)
	})
}

// ownUID is a flow's UID that no other test's limits are kept under.
func ownUID(t *testing.T) types.UID {
	t.Helper()
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return types.UID(fmt.Sprintf("test-%x", b))
}

// anyPod answers without looking at the token, whose audience is the flow's
// UID of each test.
func (w *world) anyPod(t testing.TB) {
	t.Helper()
	p := newPod(t, nil)
	p.Config.Handler = http.HandlerFunc(echo)
	w.pods(p)
}

func rate(perMinute, perCaller int32, perDay int64) *v1alpha1.RateLimit {
	l := &v1alpha1.RateLimit{}
	if perMinute > 0 {
		l.RequestsPerMinute = &perMinute
	}
	if perCaller > 0 {
		l.PerCallerPerMinute = &perCaller
	}
	if perDay > 0 {
		l.PerDay = &perDay
	}
	return l
}

func TestLimits(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		limit   *v1alpha1.RateLimit
		headers []http.Header // the callers, in turn
		calls   int
		want    int // pass
		says    string
	}{
		"PerMinute":      {"All callers share a flow's limit.", rate(10, 0, 0), []http.Header{nil, bearer(helloKey), bearer(ownerToken)}, 20, 10, "10 per minute"},
		"PerCaller":      {"Each caller has one of their own.", rate(0, 5, 0), []http.Header{nil, bearer(helloKey), bearer(ownerToken)}, 30, 15, "per caller is 5 per minute"},
		"PerDay":         {"A day's limit counts all of them.", rate(0, 0, 7), []http.Header{nil, bearer(helloKey)}, 20, 7, "7 per day"},
		"TightestOfAll":  {"The tightest one counts.", rate(100, 100, 3), []http.Header{nil}, 10, 3, "per day"},
		"OneCallerOfTwo": {"One caller's limit does not use up the flow's.", rate(12, 4, 0), []http.Header{nil, bearer(helloKey)}, 40, 8, "per caller"},
		"Larger":         {"A larger limit is taken in blocks, and holds as well.", rate(300, 0, 0), []http.Header{nil}, 320, 300, "300 per minute"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redises(t, func(t *testing.T, client redis.UniversalClient) {
				w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
				w.anyPod(t)
				uid := ownUID(t)
				w.public(func(f *v1alpha1.Flow) { f.UID, f.Spec.Exposure.RateLimit = uid, tc.limit })
				start, passed := time.Now(), 0
				var refused reply
				for i := range tc.calls {
					switch got := w.do(call{header: tc.headers[i%len(tc.headers)], body: "{}"}); got.status {
					case http.StatusOK:
						passed++
					case http.StatusTooManyRequests:
						refused = got
					default:
						t.Fatalf("%s\n%d %s", tc.reason, got.status, got.body)
					}
				}
				// What refills while the test runs is no error.
				refill := int(time.Since(start).Seconds()*300/60) + 1
				if passed < tc.want || passed > tc.want+refill {
					t.Errorf("%s\n%d of %d passed, want %d", tc.reason, passed, tc.calls, tc.want)
				}
				if refused.header.Get("Retry-After") == "" || refused.header.Get("RateLimit-Remaining") != "0" || !strings.Contains(refused.message(t), tc.says) {
					t.Errorf("%s\nrefused with %v: %s", tc.reason, refused.header, refused.body)
				}
			})
		})
	}
}

func TestLimitHeaders(t *testing.T) {
	t.Parallel()
	redises(t, func(t *testing.T, client redis.UniversalClient) {
		w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
		w.anyPod(t)
		uid := ownUID(t)
		w.public(func(f *v1alpha1.Flow) { f.UID, f.Spec.Exposure.RateLimit = uid, rate(10, 0, 1000) })
		for i := range 3 {
			got := w.do(call{body: "{}"})
			limit, remaining, reset := got.header.Get("RateLimit-Limit"), got.header.Get("RateLimit-Remaining"), got.header.Get("RateLimit-Reset")
			if want := strconv.Itoa(9 - i); limit != "10" || remaining != want || reset == "" {
				t.Errorf("call %d: limit %q, remaining %q, reset %q", i, limit, remaining, reset)
			}
		}
	})
}

// TestGatewaysShareLimits: two gateways admit together what one would.
func TestGatewaysShareLimits(t *testing.T) {
	t.Parallel()
	redises(t, func(t *testing.T, client redis.UniversalClient) {
		uid := ownUID(t)
		var worlds []*world
		for range 2 {
			w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
			w.anyPod(t)
			w.public(func(f *v1alpha1.Flow) { f.UID, f.Spec.Exposure.RateLimit = uid, rate(100, 0, 0) })
			worlds = append(worlds, w)
		}
		start := time.Now()
		var passed atomic.Int32
		var wg sync.WaitGroup
		for _, w := range worlds {
			wg.Go(func() {
				for range 90 {
					if got, err := w.try(t.Context(), call{body: "{}"}); err == nil && got.status == http.StatusOK {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		refill := int32(time.Since(start).Seconds()*100/60) + 1
		if n := passed.Load(); n < 90 || n > 100+refill {
			t.Errorf("two gateways admitted %d of a limit of 100", n)
		}
	})
}

// TestWhatRedisHolds: ids and hashes, and nothing for longer than it matters.
func TestWhatRedisHolds(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
	w.anyPod(t)
	w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(1000, 1000, 1000) })
	for _, header := range []http.Header{nil, bearer(helloKey), bearer(ownerToken)} {
		w.do(call{header: header, body: "secret body"})
	}
	if n := len(server.Keys()); n != 5 {
		t.Errorf("%d keys: %v", n, server.Keys())
	}
	for _, key := range server.Keys() {
		value, err := server.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strconv.ParseUint(value, 10, 64); err != nil {
			t.Errorf("%s holds %q, which is no number", key, value)
		}
		if strings.Contains(key, "127.0.0.1") || strings.Contains(key, "wk_") || strings.Contains(key, "owner") {
			t.Errorf("the key %s tells of a caller", key)
		}
		longest := time.Minute
		if strings.Contains(key, ":d:") {
			longest = 25 * time.Hour
		}
		if ttl := server.TTL(key); ttl <= 0 || ttl > longest+time.Second {
			t.Errorf("%s is kept for %s", key, ttl)
		}
	}
}

// TestLimitsCostLittle: without limits Redis is not asked at all, and with
// large ones seldom.
func TestLimitsCostLittle(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis = client }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
	w.anyPod(t)
	w.public(nil)
	for range 20 {
		w.do(call{body: "{}"})
	}
	if n := server.CommandCount(); n != 0 {
		t.Errorf("%d commands for a flow without limits", n)
	}
	w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(100_000, 0, 0) })
	for range 100 {
		w.do(call{body: "{}"})
	}
	if n := server.CommandCount(); n > 20 {
		t.Errorf("%d commands for 100 requests", n)
	}
}

// TestLimitsReturnToRedis: once Redis answers again, it is asked again.
func TestLimitsReturnToRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	c := &clock{now: time.Now()}
	w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis, d.Now = client, c.Now }), withConfig(func(c *gateway.Config) { c.RedisTimeout = time.Second }))
	w.anyPod(t)
	w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(10, 0, 0) })
	server.SetError("LOADING Redis is loading the dataset in memory")
	passed := 0
	for range 10 {
		if w.do(call{body: "{}"}).status == http.StatusOK {
			passed++
		}
	}
	if passed != 5 {
		t.Errorf("%d passed without Redis; one of two gateways admits 5 of 10", passed)
	}
	server.SetError("")
	c.move(2 * time.Second)
	if got := w.do(call{body: "{}"}); got.status != http.StatusOK || got.header.Get("RateLimit-Remaining") != "9" {
		t.Errorf("with Redis again: %d, remaining %q", got.status, got.header.Get("RateLimit-Remaining"))
	}
}

func TestDayEnds(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Date(2026, 12, 31, 23, 59, 30, 0, time.UTC)}
	redises(t, func(t *testing.T, client redis.UniversalClient) {
		for name, shared := range map[string]redis.UniversalClient{"shared": client, "alone": nil} {
			c := &clock{now: c.now}
			w := newWorld(t, withDeps(func(d *gateway.Deps) { d.Redis, d.Now = shared, c.Now }), withConfig(func(c *gateway.Config) { c.Replicas, c.RedisTimeout = 1, time.Second }))
			p := newPod(t, nil)
			p.Config.Handler = http.HandlerFunc(echo)
			w.pods(p)
			uid := ownUID(t)
			w.public(func(f *v1alpha1.Flow) { f.UID, f.Spec.Exposure.RateLimit = uid, rate(0, 0, 2) })
			var got []int
			for range 3 {
				got = append(got, w.do(call{body: "{}"}).status)
			}
			refused := w.do(call{body: "{}"})
			c.move(31 * time.Second)
			got = append(got, w.do(call{body: "{}"}).status)
			if want := []int{200, 200, 429, 200}; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
			if after := refused.header.Get("Retry-After"); after != "30" {
				t.Errorf("%s: Retry-After %s, half a minute before midnight", name, after)
			}
		}
	})
}

// TestClientAddress: who shares a limit, as seen from behind proxies.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	cases := map[string]struct {
		reason  string
		trusted []netip.Prefix
		a, b    http.Header
		same    bool
	}{
		"NoProxies":      {"Without trusted proxies the header means nothing.", nil, forwardedFor("192.0.2.1"), forwardedFor("192.0.2.2"), true},
		"TwoClients":     {"Behind a trusted proxy two clients are two.", trusted, forwardedFor("192.0.2.1"), forwardedFor("192.0.2.2"), false},
		"OneClient":      {"And one is one.", trusted, forwardedFor("192.0.2.1"), forwardedFor("192.0.2.1"), true},
		"Invented":       {"What a client wrote in front of it does not count.", trusted, forwardedFor("1.1.1.1, 192.0.2.1"), forwardedFor("2.2.2.2, 192.0.2.1"), true},
		"Chain":          {"Trusted proxies in a row are passed.", trusted, forwardedFor("192.0.2.1, 10.0.0.9"), forwardedFor("192.0.2.2, 10.0.0.9"), false},
		"TwoHeaders":     {"Several headers are one list.", trusted, http.Header{"X-Forwarded-For": {"1.1.1.1", "192.0.2.1"}}, http.Header{"X-Forwarded-For": {"2.2.2.2", "192.0.2.1"}}, true},
		"Garbage":        {"What is no address ends the list.", trusted, forwardedFor("192.0.2.1, x"), forwardedFor("192.0.2.2, x"), true},
		"Empty":          {"An empty one says nothing.", trusted, forwardedFor(""), nil, true},
		"IPv6Network":    {"A home with IPv6 is one caller.", trusted, forwardedFor("2001:db8::1"), forwardedFor("2001:db8::2"), true},
		"IPv6Networks":   {"Two homes are two.", trusted, forwardedFor("2001:db8::1"), forwardedFor("2001:db8:0:1::1"), false},
		"IPv4InIPv6":     {"An address is the same in both forms.", trusted, forwardedFor("192.0.2.1"), forwardedFor("::ffff:192.0.2.1"), true},
		"WithPort":       {"With a port or without.", trusted, forwardedFor("192.0.2.1:1234"), forwardedFor("192.0.2.1"), true},
		"VeryLong":       {"A list without end is read from its end.", trusted, forwardedFor(strings.Repeat("1.1.1.1, ", 100) + "192.0.2.1"), forwardedFor("192.0.2.1"), true},
		"LookAlikeNames": {"Only the one header is read.", trusted, http.Header{"X-Real-Ip": {"192.0.2.1"}}, http.Header{"Forwarded": {"for=192.0.2.2"}}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withConfig(func(c *gateway.Config) { c.TrustedProxies, c.Replicas = tc.trusted, 1 }))
			w.anyPod(t)
			w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(0, 1, 0) })
			first, second := w.do(call{header: tc.a}), w.do(call{header: tc.b})
			if first.status != http.StatusOK || (second.status == http.StatusTooManyRequests) != tc.same {
				t.Errorf("%s\n%d, then %d", tc.reason, first.status, second.status)
			}
		})
	}
}

func forwardedFor(v string) http.Header { return http.Header{"X-Forwarded-For": {v}} }

func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.Replicas, c.Limits = 1, gateway.Limits{PerMinute: 2} }))
	w.anyPod(t)
	w.public(nil)
	var got []int
	for range 3 {
		got = append(got, w.do(call{}).status)
	}
	w.public(func(f *v1alpha1.Flow) { f.UID, f.Spec.Exposure.RateLimit = "another", rate(4, 0, 0) })
	for range 3 {
		got = append(got, w.do(call{}).status)
	}
	if want := []int{200, 200, 429, 200, 200, 200}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v: the default counts where a flow sets none, and only there", got, want)
	}
}

func TestLimitMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) { c.Replicas = 1 }))
	w.anyPod(t)
	w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(1, 0, 0) })
	w.do(call{})
	w.do(call{})
	if n := metric(t, w.registry, "weft_gateway_limited_total"); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
	if n := metric(t, w.registry, "weft_gateway_limit_fallbacks_total"); n < 1 {
		t.Errorf("%v local decisions counted", n)
	}
	if n := metric(t, w.registry, "weft_gateway_in_flight"); n != 0 {
		t.Errorf("%v in flight", n)
	}
}

func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// TestManyCallersAreForgotten: an attacker with many addresses does not fill
// the memory, and still meets the limit of the flow.
func TestManyCallersAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withConfig(func(c *gateway.Config) {
		c.TrustedProxies, c.Replicas = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, 1
	}))
	w.anyPod(t)
	w.public(func(f *v1alpha1.Flow) { f.Spec.Exposure.RateLimit = rate(50, 10, 0) })
	passed := 0
	for i := range 200 {
		if w.do(call{header: forwardedFor(fmt.Sprintf("2001:db8:0:%x::1", i))}).status == http.StatusOK {
			passed++
		}
	}
	if passed < 50 || passed > 60 {
		t.Errorf("%d passed a limit of 50", passed)
	}
}
