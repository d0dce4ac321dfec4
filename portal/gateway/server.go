package gateway

import (
	"log/slog"
	"net/http"
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
		// What clients do wrong is not worth a line in a log each.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
