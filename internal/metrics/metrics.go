// Package metrics counts what the proxy does and serves it to Prometheus.
//
// It is the only package that imports the Prometheus client. Labels come from
// fixed sets or from the configuration, never from an agent's request, so that
// no agent can grow them.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is safe for concurrent use.
type Metrics struct {
	registry    *prometheus.Registry
	exchanges   map[exchangeKey]prometheus.Counter
	other       prometheus.Counter
	latency     prometheus.Histogram
	credentials *prometheus.CounterVec
	handshakes  prometheus.Counter
	cost        *prometheus.CounterVec
}

type exchangeKey struct{ decision, outcome string }

// decisions and outcomes are the trail's words; "none" is a request that the
// policy was not asked about.
var (
	decisions = []string{"none", "allow", "deny", "ask"}
	outcomes  = []string{"completed", "rejected", "refused", "upstream_failed", "timed_out", "client_gone", "revoked", "interrupted"}
)

// New returns metrics with nothing counted.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), exchanges: map[exchangeKey]prometheus.Counter{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exchanges := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_exchanges_total", Help: "Exchanges that ended, by the policy's decision and the outcome.",
	}, []string{"decision", "outcome"})
	for _, d := range decisions {
		for _, o := range outcomes {
			m.exchanges[exchangeKey{d, o}] = exchanges.WithLabelValues(d, o)
		}
	}
	m.other = exchanges.WithLabelValues("other", "other")
	m.latency = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "sallyport_exchange_seconds", Help: "Time from an exchange's request to its end.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	})
	m.credentials = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_credential_failures_total", Help: "Exchanges refused because a credential could not be had.",
	}, []string{"credential"})
	m.handshakes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sallyport_handshakes_refused_total", Help: "Connections to the listener that were not authenticated.",
	})
	m.cost = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sallyport_cost_total", Help: "What answers said that their requests cost, by the service and its unit.",
	}, []string{"service", "unit"})
	m.registry.MustRegister(exchanges, m.latency, m.credentials, m.handshakes, m.cost)
	return m
}

// Exchange counts an exchange that ended. An empty decision means that the
// policy was not asked.
func (m *Metrics) Exchange(decision, outcome string, took time.Duration) {
	if decision == "" {
		decision = "none"
	}
	counter, known := m.exchanges[exchangeKey{decision, outcome}]
	if !known {
		counter = m.other
	}
	counter.Inc()
	m.latency.Observe(took.Seconds())
}

// CredentialFailed counts an exchange that was refused for want of a credential.
func (m *Metrics) CredentialFailed(name string) { m.credentials.WithLabelValues(name).Inc() }

// HandshakeFailed counts a connection that was not authenticated.
func (m *Metrics) HandshakeFailed() { m.handshakes.Inc() }

// Cost counts what an answer said that its request cost. The units of a service are a fixed set.
func (m *Metrics) Cost(service, unit string, n int64) {
	m.cost.WithLabelValues(service, unit).Add(float64(n))
}

// Watch exposes a value that is read when the metrics are. Call it once a name.
func (m *Metrics) Watch(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// WatchBy is Watch for one value for each of a fixed set of labels.
func (m *Metrics) WatchBy(name, help, label string, values []string, value func(string) float64) {
	for _, one := range values {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{label: one},
		}, func() float64 { return value(one) }))
	}
}

// WatchTotal is Watch for a value that only grows.
func (m *Metrics) WatchTotal(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
