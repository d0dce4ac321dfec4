package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Config says how the gateway behaves. Its zero value, with defaults, is safe.
type Config struct {
	// TrustedProxies are the networks of proxies in front of the gateway. Only
	// from them is X-Forwarded-For believed. Default none.
	TrustedProxies []netip.Prefix
	// Limits hold where a flow does not set its own. Default: none.
	Limits Limits
	// Replicas is how many gateways share the limits, as far as is known. While
	// Redis is away each of them admits its share. Default 2.
	Replicas int
	// MaxInFlight bounds the requests that are served at a time; further ones
	// are answered with 503. Default 4096.
	MaxInFlight int
	// MaxConnections bounds the connections of clients; further ones are closed
	// at once. Default 4096.
	MaxConnections int
	// MaxHeaderBytes bounds the header of a request, and that of an upstream's
	// answer. Default 32 KiB.
	MaxHeaderBytes int
	// ReplayBytes bounds the bodies that are held in memory so that they can be
	// sent to a second pod when the first one refuses the connection. Default
	// 64 KiB.
	ReplayBytes int64
	// HeaderTimeout is how long a client may take to send a request's header.
	// Default 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a client may take to send a request's body.
	// Default 60 s.
	BodyTimeout time.Duration
	// DecisionTimeout bounds how long identity and permission may take to be
	// known; after it the answer is 503. Default 1.5 s, at most 2 s.
	DecisionTimeout time.Duration
	// CredentialTTL is how long a decision about a credential is believed, so
	// that a revoked one works no longer than that. Default 1 s, at most 1 s.
	CredentialTTL time.Duration
	// ClusterTTL is the same for Kubernetes tokens, which cannot be revoked
	// one by one. Default 10 s, at most 10 s.
	ClusterTTL time.Duration
	// TokenReuse is how long one request token serves equal requests of the
	// same caller. Default 10 s, at most 10 s.
	TokenReuse time.Duration
	// RedisTimeout is how long a limit waits for Redis before the local bound
	// holds. Default 100 ms.
	RedisTimeout time.Duration
	// DialTimeout bounds connecting to a pod. Default 2 s.
	DialTimeout time.Duration
	// EndpointWait is how long a request waits for a pod to become ready where
	// there is none. Default 1 s.
	EndpointWait time.Duration
	// ResponseGrace is added to a flow's runTimeout: an answer that takes longer
	// than both is given up. Default 15 s.
	ResponseGrace time.Duration
	// LogPerSecond bounds the access log lines of successful requests, and those
	// of failed ones, each; what is left out is counted. Default 100.
	LogPerSecond int
}

// Limits are requests per minute and per day. Zero means no limit.
type Limits struct {
	PerMinute          int64
	PerCallerPerMinute int64
	PerDay             int64
}

// WithDefaults returns the config with defaults filled in.
func (c Config) WithDefaults() Config {
	orDefault(&c.Replicas, 2)
	orDefault(&c.MaxInFlight, 4096)
	orDefault(&c.MaxConnections, 4096)
	orDefault(&c.MaxHeaderBytes, 32<<10)
	orDefault(&c.ReplayBytes, 64<<10)
	orDefault(&c.HeaderTimeout, 10*time.Second)
	orDefault(&c.BodyTimeout, time.Minute)
	orDefault(&c.DecisionTimeout, 1500*time.Millisecond)
	orDefault(&c.CredentialTTL, time.Second)
	orDefault(&c.ClusterTTL, 10*time.Second)
	orDefault(&c.TokenReuse, 10*time.Second)
	orDefault(&c.RedisTimeout, 100*time.Millisecond)
	orDefault(&c.DialTimeout, 2*time.Second)
	orDefault(&c.EndpointWait, time.Second)
	orDefault(&c.ResponseGrace, 15*time.Second)
	orDefault(&c.LogPerSecond, 100)
	return c
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate says everything that is wrong with a config.
func (c Config) Validate() error {
	return errors.Join(
		within("Replicas", c.Replicas, 1, 1000),
		within("MaxInFlight", c.MaxInFlight, 1, 1_000_000),
		within("MaxConnections", c.MaxConnections, 1, 1_000_000),
		within("MaxHeaderBytes", c.MaxHeaderBytes, 4<<10, 1<<20),
		within("ReplayBytes", c.ReplayBytes, 0, 1<<20),
		within("HeaderTimeout", c.HeaderTimeout, time.Millisecond, time.Minute),
		within("BodyTimeout", c.BodyTimeout, time.Millisecond, time.Hour),
		within("DecisionTimeout", c.DecisionTimeout, time.Millisecond, 2*time.Second),
		within("CredentialTTL", c.CredentialTTL, time.Millisecond, time.Second),
		within("ClusterTTL", c.ClusterTTL, time.Millisecond, 10*time.Second),
		within("TokenReuse", c.TokenReuse, time.Millisecond, 10*time.Second),
		within("RedisTimeout", c.RedisTimeout, time.Millisecond, time.Second),
		within("DialTimeout", c.DialTimeout, time.Millisecond, 10*time.Second),
		within("EndpointWait", c.EndpointWait, time.Millisecond, time.Minute),
		within("ResponseGrace", c.ResponseGrace, time.Millisecond, 10*time.Minute),
		within("LogPerSecond", c.LogPerSecond, 1, 1_000_000),
		within("Limits.PerMinute", c.Limits.PerMinute, 0, maxLimit),
		within("Limits.PerCallerPerMinute", c.Limits.PerCallerPerMinute, 0, maxLimit),
		within("Limits.PerDay", c.Limits.PerDay, 0, maxLimit),
	)
}

// maxLimit keeps every sum of limits far from the end of an int64.
const maxLimit = 1_000_000_000

func within[T int | int64 | time.Duration](name string, value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("gateway: %s is %v, but must be between %v and %v", name, value, low, high)
	}
	return nil
}
