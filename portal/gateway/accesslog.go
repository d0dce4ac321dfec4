package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// accessLog writes one line for a request: ids, sizes, times and codes. There
// is nothing in it of a body, a query, a header or an address. At most so many
// lines are written in a second, of successes and of failures each; a line says
// how many were left out before it.
type accessLog struct {
	log       *slog.Logger
	perSecond int

	mu        sync.Mutex
	successes quota
	failures  quota
}

// quota counts the lines of the present second.
type quota struct {
	second  int64
	written int
	skipped int
}

func (q *quota) take(now time.Time, limit int) (ok bool, skipped int) {
	if s := now.Unix(); s != q.second {
		q.second, q.written = s, 0
	}
	if q.written >= limit {
		q.skipped++
		return false, 0
	}
	q.written++
	skipped, q.skipped = q.skipped, 0
	return true, skipped
}

func (l *accessLog) allow(now time.Time, failed bool) (ok bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed {
		return l.failures.take(now, l.perSecond)
	}
	return l.successes.take(now, l.perSecond)
}

func (l *accessLog) write(ctx context.Context, x *exchange, now time.Time) {
	ok, skipped := l.allow(now, x.status >= http.StatusBadRequest)
	if !ok {
		return
	}
	level := slog.LevelInfo
	if x.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request", x.id), slog.String("method", x.target.Method), slog.Int("status", x.status),
		slog.Int64("bytesIn", x.received.Load()), slog.Int64("bytesOut", x.sent), slog.Duration("took", now.Sub(x.start)),
		slog.String("caller", x.caller.subject),
	}
	// Only names of flows that exist: another path is the caller's own text.
	if x.flow != nil {
		attrs = append(attrs, slog.String("workspace", x.target.Workspace), slog.String("flow", x.target.Name),
			slog.String("pod", x.pod), slog.Int("attempts", x.attempts))
	}
	if x.code != "" {
		attrs = append(attrs, slog.String("code", x.code))
	}
	if x.cause != nil && x.status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.String("cause", x.cause.Error()))
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("skipped", skipped))
	}
	l.log.LogAttrs(ctx, level, "request", attrs...)
}
