package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests by route: patterns and numbers, nothing of callers.
type Metrics struct {
	requests *prometheus.HistogramVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "weft_portal_request_duration_seconds",
		Help:    "Time to answer a request, by route and status.",
		Buckets: []float64{.005, .025, .1, .5, 2, 10},
	}, []string{"method", "route", "status"})}
	registry.MustRegister(m.requests)
	return m
}

func (m *Metrics) observe(route Route, status int, took time.Duration) {
	if m == nil {
		return
	}
	method := route.Method
	if method == "" {
		method = "other"
	}
	m.requests.WithLabelValues(method, route.Pattern, strconv.Itoa(status)).Observe(took.Seconds())
}
