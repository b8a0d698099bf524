package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/internal/metrics"
)

// page is what Prometheus reads, without comments and what Go says of itself.
func page(t *testing.T, m *metrics.Metrics) map[string]string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	require.Equal(t, http.StatusOK, answer.Code)
	require.Contains(t, answer.Header().Get("Content-Type"), "text/plain")
	values := map[string]string{}
	for line := range strings.Lines(answer.Body.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(line, "sallyport_") {
			values[name] = value
		}
	}
	return values
}

func exchanges(decision, outcome string) string {
	return `sallyport_exchanges_total{decision="` + decision + `",outcome="` + outcome + `"}`
}

// Every word with which an exchange can end has a series of its own, which is there before
// anything is counted: an alert on what never was would otherwise never fire.
func TestEveryOutcomeHasASeries(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	before := page(t, m)
	for _, outcome := range audit.Outcomes() {
		for decision, label := range map[string]string{"": "none", audit.DecisionAllow: "allow", audit.DecisionDeny: "deny", audit.DecisionAsk: "ask"} {
			assert.Equal(t, "0", before[exchanges(label, outcome)], "%s %s", label, outcome)
			m.Exchange(decision, outcome, time.Second)
		}
	}
	after := page(t, m)
	for _, outcome := range audit.Outcomes() {
		for _, label := range []string{"none", "allow", "deny", "ask"} {
			assert.Equal(t, "1", after[exchanges(label, outcome)], "%s %s", label, outcome)
		}
	}
	assert.Equal(t, "0", after[exchanges("other", "other")])
	assert.Len(t, after, len(before), "counting makes no series")
}

// Words that are not known are counted together: nothing that a request says makes a series.
func TestNoRequestMakesASeries(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	before := page(t, m)
	for _, word := range []string{"\"} evil 1\n", strings.Repeat("x", 10_000), "Completed", "ALLOW", "other"} {
		m.Exchange(word, "completed", 0)
		m.Exchange("allow", word, 0)
	}
	after := page(t, m)
	assert.Len(t, after, len(before))
	assert.Equal(t, "10", after[exchanges("other", "other")])
	assert.Equal(t, "0", after[exchanges("allow", "completed")])
}

func TestTimesAreSortedIntoBuckets(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	for _, took := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 40 * time.Millisecond, 2 * time.Second, time.Hour} {
		m.Exchange("allow", "completed", took)
	}
	got := page(t, m)
	for edge, want := range map[string]string{"0.001": "2", "0.0025": "3", "0.025": "3", "0.05": "4", "1": "4", "2.5": "5", "300": "5", "+Inf": "6"} {
		assert.Equal(t, want, got[`sallyport_exchange_seconds_bucket{le="`+edge+`"}`], "up to %s seconds", edge)
	}
	assert.Equal(t, "6", got["sallyport_exchange_seconds_count"])
}

// What the server watches is read when the page is, and each value of a fixed set by its label.
func TestWhatIsWatchedIsReadWithThePage(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	value := 1.5
	m.Watch("sallyport_depth", "How deep.", func() float64 { return value })
	m.WatchTotal("sallyport_bytes_total", "How many.", func() float64 { return 10 * value })
	m.WatchBy("sallyport_places", "Where.", "place", []string{"here", "there"}, func(place string) float64 { return value + float64(len(place)) })
	m.CredentialFailed("acme")
	m.CredentialFailed("acme")
	m.HandshakeFailed()
	got := page(t, m)
	assert.Equal(t, "1.5", got["sallyport_depth"])
	assert.Equal(t, "15", got["sallyport_bytes_total"])
	assert.Equal(t, "5.5", got[`sallyport_places{place="here"}`])
	assert.Equal(t, "6.5", got[`sallyport_places{place="there"}`])
	assert.Equal(t, "2", got[`sallyport_credential_failures_total{credential="acme"}`])
	assert.Equal(t, "1", got["sallyport_handshakes_refused_total"])
	value = 2
	assert.Equal(t, "2", page(t, m)["sallyport_depth"])
	assert.Panics(t, func() { m.Watch("sallyport_depth", "Again.", func() float64 { return 0 }) }, "one name has one meaning")
	assert.Equal(t, "0", page(t, metrics.New())["sallyport_handshakes_refused_total"], "two servers in one process count for themselves")
}
