// Package realtime carries what happens in a workspace to the browsers that
// look at it: changes of a flow's status, and the events of test runs to the
// person who started them. Everything is bounded and forgotten within minutes;
// nothing of exposed flows ever passes here.
package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// maxEvents bounds the events that are kept of one workspace.
	maxEvents = 1000
	// keepEvents is how long they are kept after the last one.
	keepEvents = 10 * time.Minute
	// keepRuns is how long the record of a test run is kept.
	keepRuns = 15 * time.Minute
	// maxEvent and maxRun bound one event and one record, in bytes.
	maxEvent = 32 << 10
	maxRun   = 8 << 20
	// lookEvery is the time between two looks of one who waits.
	lookEvery = 300 * time.Millisecond
	// maxWaiters bounds the polls and sockets of one user here.
	maxWaiters = 16
	// maxPage bounds the events of one answer.
	maxPage = 100
)

// ErrTooLarge means that an event or record is larger than what is kept.
var ErrTooLarge = errors.New("too large to keep")

// ErrNotFound means that there is no record of the run, or none any more.
var ErrNotFound = errors.New("no such run")

// Event is one thing that happened in a workspace.
type Event struct {
	// ID orders the events; send the last one back to get those after it.
	ID string `json:"id"`
	// Kind is "flow" for a change of status, "run" for an event of a test run.
	Kind string `json:"kind"`
	// Flow is the id of the flow, or the name of one that kubectl made.
	Flow string `json:"flow,omitempty"`
	// Data is the event itself.
	Data json.RawMessage `json:"data,omitempty"`
	// User is the only one who may see it. Nil: every member.
	User uuid.UUID `json:"-"`
}

// Log keeps the latest events of each workspace in Redis.
type Log struct {
	redis  redis.UniversalClient
	prefix string

	mu      sync.Mutex
	waiters map[uuid.UUID]int
}

// NewLog returns a log whose keys begin with the prefix.
func NewLog(client redis.UniversalClient, prefix string) *Log {
	return &Log{redis: client, prefix: prefix, waiters: map[uuid.UUID]int{}}
}

// enter admits one more poll or socket of the user; leave must follow.
func (l *Log) enter(user uuid.UUID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters[user] >= maxWaiters {
		return false
	}
	l.waiters[user]++
	return true
}

func (l *Log) leave(user uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters[user]--; l.waiters[user] == 0 {
		delete(l.waiters, user)
	}
}

func (l *Log) stream(workspace uuid.UUID) string { return l.prefix + "live:" + workspace.String() }

func (l *Log) run(workspace, user uuid.UUID, id string) string {
	return l.prefix + "run:" + workspace.String() + ":" + user.String() + ":" + id
}

// Publish adds an event.
func (l *Log) Publish(ctx context.Context, workspace uuid.UUID, e Event) error {
	if len(e.Data) > maxEvent {
		return ErrTooLarge
	}
	pipe := l.redis.Pipeline()
	pipe.XAdd(ctx, &redis.XAddArgs{
		Stream: l.stream(workspace), MaxLen: maxEvents, Approx: true,
		Values: map[string]any{"kind": e.Kind, "flow": e.Flow, "user": e.User.String(), "data": string(e.Data)},
	})
	pipe.Expire(ctx, l.stream(workspace), keepEvents)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("publishing an event: %w", err)
	}
	return nil
}

// keepOnce is for how long an event is known to have been told.
const keepOnce = 2 * time.Minute

// PublishOnce adds an event that several replicas may have seen: the first one
// tells it.
func (l *Log) PublishOnce(ctx context.Context, workspace uuid.UUID, key string, e Event) error {
	first, err := l.redis.SetNX(ctx, l.prefix+"told:"+workspace.String()+":"+key, 1, keepOnce).Result()
	if err != nil {
		return fmt.Errorf("publishing an event: %w", err)
	}
	if !first {
		return nil
	}
	return l.Publish(ctx, workspace, e)
}

// Read returns the events after an id that the user may see, waiting for the
// first one. The id to go on from comes with them. An empty id begins now.
func (l *Log) Read(ctx context.Context, workspace, user uuid.UUID, after string, wait time.Duration) ([]Event, string, error) {
	if after == "" {
		latest, err := l.latest(ctx, workspace)
		return []Event{}, latest, err
	}
	if !validID(after) {
		return nil, "", errors.New("not the id of an event")
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		events, last, err := l.look(ctx, workspace, user, after)
		if err != nil || len(events) > 0 {
			return events, last, err
		}
		after = last
		select {
		case <-ctx.Done():
			return nil, "", fmt.Errorf("waiting for events: %w", ctx.Err())
		case <-deadline.C:
			return events, after, nil
		case <-time.After(lookEvery):
		}
	}
}

// look reads without waiting: a read that blocks would hold a connection of the
// pool for as long as a browser looks on, and sessions need those too.
func (l *Log) look(ctx context.Context, workspace, user uuid.UUID, after string) ([]Event, string, error) {
	streams, err := l.redis.XRead(ctx, &redis.XReadArgs{Streams: []string{l.stream(workspace), after}, Count: maxPage, Block: -1}).Result()
	if errors.Is(err, redis.Nil) {
		return []Event{}, after, nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading events: %w", err)
	}
	events, last := visible(streams, user)
	return events, last, nil
}

func visible(streams []redis.XStream, user uuid.UUID) ([]Event, string) {
	events, last := []Event{}, ""
	for _, stream := range streams {
		for _, message := range stream.Messages {
			last = message.ID
			if e, ok := decode(message); ok && (e.User == uuid.Nil || e.User == user) {
				events = append(events, e)
			}
		}
	}
	return events, last
}

func decode(message redis.XMessage) (Event, bool) {
	text := func(name string) string { value, _ := message.Values[name].(string); return value }
	user, err := uuid.Parse(text("user"))
	if err != nil {
		return Event{}, false
	}
	return Event{ID: message.ID, Kind: text("kind"), Flow: text("flow"), Data: json.RawMessage(text("data")), User: user}, true
}

func (l *Log) latest(ctx context.Context, workspace uuid.UUID) (string, error) {
	messages, err := l.redis.XRevRangeN(ctx, l.stream(workspace), "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("reading events: %w", err)
	}
	if len(messages) == 0 {
		return "0-0", nil
	}
	return messages[0].ID, nil
}

// validID accepts the ids of Redis streams.
func validID(id string) bool {
	milli, seq, ok := strings.Cut(id, "-")
	if !ok {
		seq = "0"
	}
	_, errMilli := strconv.ParseUint(milli, 10, 64)
	_, errSeq := strconv.ParseUint(seq, 10, 64)
	return errMilli == nil && errSeq == nil
}

// KeepRun stores the record of a user's test run for some minutes.
func (l *Log) KeepRun(ctx context.Context, workspace, user uuid.UUID, id string, record []byte) error {
	if len(record) > maxRun {
		return ErrTooLarge
	}
	if err := l.redis.Set(ctx, l.run(workspace, user, id), record, keepRuns).Err(); err != nil {
		return fmt.Errorf("keeping a test run: %w", err)
	}
	return nil
}

// Run returns the record of a user's own test run.
func (l *Log) Run(ctx context.Context, workspace, user uuid.UUID, id string) ([]byte, error) {
	record, err := l.redis.Get(ctx, l.run(workspace, user, id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a test run: %w", err)
	}
	return record, nil
}
