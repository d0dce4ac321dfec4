package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics have no label that a caller or an owner can choose.
type metrics struct {
	requests  *prometheus.HistogramVec
	callers   *prometheus.CounterVec
	denials   *prometheus.CounterVec
	retries   prometheus.Counter
	fallbacks prometheus.Counter
}

func newMetrics(registry prometheus.Registerer, inFlight, flows func() float64) *metrics {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "weft_gateway_request_duration_seconds", Help: "Time to answer a request, by status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"status"}),
		callers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_gateway_callers_total", Help: "Identity decisions, by kind of caller.",
		}, []string{"kind"}),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_gateway_limited_total", Help: "Requests refused by a limit, by kind of limit.",
		}, []string{"limit"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_gateway_retries_total", Help: "Requests sent to another pod because the first one did not take them.",
		}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_gateway_limit_fallbacks_total", Help: "Decisions on limits made without Redis.",
		}),
	}
	registry.MustRegister(m.requests, m.callers, m.denials, m.retries, m.fallbacks,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_gateway_in_flight", Help: "Requests being served."}, inFlight),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_gateway_addresses", Help: "Names known from Flows and EndpointSlices."}, flows),
	)
	return m
}

func (m *metrics) observe(status int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Observe(took.Seconds())
}
