package gateway

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// writeGrace is how long a client may take to read an answer that is there.
const writeGrace = 30 * time.Second

// NewServer returns the HTTP server for the gateway's handler: bounds on the
// time and the size of headers, so that slow and talkative clients cost little.
// The body of each request is bounded by the handler, flow by flow.
func NewServer(config Config, handler http.Handler, log *slog.Logger) *http.Server {
	config = config.WithDefaults()
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: config.HeaderTimeout,
		// For the gateway's own answers; the handler gives a flow's answer longer.
		WriteTimeout:                 config.HeaderTimeout + config.BodyTimeout + writeGrace,
		IdleTimeout:                  75 * time.Second,
		MaxHeaderBytes:               config.MaxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		ConnState:                    (&connections{most: int64(config.MaxConnections)}).changed,
		// What clients do wrong is not worth a line in a log each.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// connections counts a server's connections, and closes those that are too
// many before they cost anything.
type connections struct {
	most int64
	open atomic.Int64
}

func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if c.open.Add(1) > c.most {
			// The server then finds it closed, and says so with StateClosed.
			if err := conn.Close(); err != nil {
				return // it was closed already, which is what was wanted
			}
		}
	case http.StateClosed, http.StateHijacked:
		c.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}
