package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

var errNoRedis = errors.New("not asking Redis at present")

// redisBlocks keeps limits in Redis. A key is an id of a flow and an id or a
// keyed hash of a caller, a value is a time or a count, and both are gone when
// they no longer matter.
type redisBlocks struct {
	client redis.UniversalClient
	minute *redis.Script
	day    *redis.Script
}

func newRedisBlocks(client redis.UniversalClient) *redisBlocks {
	return &redisBlocks{client: client, minute: redis.NewScript(minuteScript), day: redis.NewScript(dayScript)}
}

// minuteScript is the generic cell rate algorithm: the key holds the time, in
// microseconds, at which the bucket is full again. Redis' clock counts, so that
// the clocks of the gateways do not matter.
const minuteScript = `
local limit, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local period = 60000000
local interval = period / limit
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
if tat < now then tat = now end
if tat > now + period then tat = now + period end
local free = math.floor((now + period - tat) / interval + 0.000001)
if free < 1 then
  return {0, 0, math.ceil(tat + interval - now - period), math.ceil(tat - now)}
end
local take = math.min(want, free)
tat = tat + take * interval
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
return {take, free - take, 0, math.ceil(tat - now)}
`

// dayScript counts. The key has the date in its name.
const dayScript = `
local limit, want, ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local take = math.min(want, limit - used)
if take < 1 then return {0, 0, 0, 0} end
redis.call('SET', KEYS[1], string.format('%.0f', used + take), 'PX', ttl)
return {take, limit - used - take, 0, 0}
`

func (b *redisBlocks) take(ctx context.Context, r rule, n int64, now time.Time) (grant, error) {
	script, key, left := b.minute, r.key, time.Duration(0)
	if r.day {
		left = midnight(now).Sub(now)
		script = b.day
	}
	reply, err := script.Run(ctx, b.client, []string{key}, r.limit, n, (left + time.Hour).Milliseconds()).Int64Slice()
	if err != nil {
		return grant{}, fmt.Errorf("taking a block of permits: %w", err)
	}
	return readGrant(reply, r, n, left)
}

// readGrant reads a reply. One that makes no sense counts as none at all.
func readGrant(reply []int64, r rule, n int64, left time.Duration) (grant, error) {
	if len(reply) != 4 || reply[0] < 0 || reply[0] > n || reply[1] < 0 || reply[1] > r.limit || reply[2] < 0 || reply[3] < 0 {
		return grant{}, errors.New("taking a block of permits: the reply makes no sense")
	}
	g := grant{
		permits: reply[0], remaining: reply[1],
		after: time.Duration(reply[2]) * time.Microsecond, reset: time.Duration(reply[3]) * time.Microsecond,
	}
	if r.day {
		g.after, g.reset = left, left
	}
	return g, nil
}
