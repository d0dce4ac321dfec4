package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-run/weft/runtime/engine"
)

// metrics of a pod. Labels hold nothing but words of closed lists.
type metrics struct {
	registry *prometheus.Registry
	runs     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
}

// Reasons for which requests are refused before there is a run.
const (
	refusedToken   = "token"
	refusedRequest = "request"
	refusedBusy    = "busy"
)

func newMetrics(inFlight func() int, leaked func() int64) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_runs_total", Help: "Runs that ended, by how they ended.",
		}, []string{"status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weft_run_duration_seconds", Help: "How long runs took, by how they ended.",
			Buckets: []float64{.001, .005, .025, .1, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600},
		}, []string{"status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_requests_refused_total", Help: "Requests that were refused before a run began, by reason.",
		}, []string{"reason"}),
	}
	m.registry.MustRegister(m.runs, m.seconds, m.refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_runs_in_flight", Help: "Runs that are under way.",
	}, func() float64 { return float64(inFlight()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_components_overdue", Help: "Components that go on though their time is over.",
	}, func() float64 { return float64(leaked()) }))
	// Each series exists from the start: an alert on a counter that appears
	// with its first error would miss that error.
	for _, status := range []engine.Status{engine.Succeeded, engine.Failed, engine.Canceled} {
		m.runs.WithLabelValues(string(status))
	}
	for _, reason := range []string{refusedToken, refusedRequest, refusedBusy} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) ended(status engine.Status, took time.Duration) {
	m.runs.WithLabelValues(string(status)).Inc()
	m.seconds.WithLabelValues(string(status)).Observe(took.Seconds())
}

func (m *metrics) refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }
