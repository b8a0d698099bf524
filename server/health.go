package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// statusPages serves /healthz, /readyz and /metrics.
func (s *server) statusPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := s.readiness()
		w.Header().Set("Content-Type", "application/json")
		if r.Status == StatusFailed {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(r) // an error here is a client who left
	})
	mux.Handle("GET /metrics", s.metrics.Handler())
	return mux
}

func newPagesServer(pages http.Handler) *http.Server {
	return &http.Server{
		Handler:           pages,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// pageTime is how long a page that is being read may take when the server ends.
const pageTime = time.Second

// closePages ends the server of the status pages. It does not wait for connections on which nothing
// was asked: load balancers open such connections only to see whether something listens.
func closePages(pages *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), pageTime)
	defer cancel()
	if err := pages.Shutdown(ctx); err != nil {
		_ = pages.Close() // a page that is cut off can be asked for again
	}
}

// The states of /readyz. A warning answers 200: a bad edit must not take a proxy
// that works out of service.
const (
	StatusOK      = "ok"
	StatusWarning = "warning"
	StatusFailed  = "failed"
)

// Readiness is the JSON of /readyz.
type Readiness struct {
	Status string  `json:"status"` // the worst of the checks
	Checks []Check `json:"checks"`
}

// Check is one part of it.
type Check struct {
	Name   string  `json:"name"`
	Status string  `json:"status"`
	Detail *string `json:"detail"`
}

func (s *server) readiness() Readiness {
	r := Readiness{Status: StatusOK}
	r.add("trail", StatusFailed, s.trail.Err())
	r.add("checkpoints", StatusWarning, s.publisher.Err())
	r.add("configuration", StatusWarning, s.files.Err())
	r.add("owners", StatusWarning, s.orphaned())
	r.add("registry", StatusWarning, s.registry.Unwritten())
	var stopping error
	if s.succession.draining.Load() {
		stopping = errors.New("draining")
	}
	r.add("listener", StatusFailed, stopping)
	return r
}

func (r *Readiness) add(name, otherwise string, err error) {
	if err == nil {
		r.Checks = append(r.Checks, Check{Name: name, Status: StatusOK})
		return
	}
	detail := err.Error()
	r.Checks = append(r.Checks, Check{Name: name, Status: otherwise, Detail: &detail})
	if r.Status != StatusFailed {
		r.Status = otherwise
	}
}

// watchMetrics exposes what the parts beside the proxy know of themselves.
func (s *server) watchMetrics() {
	m := s.metrics
	m.Watch("sallyport_config_generation", "Number of the configuration in force.",
		func() float64 { return float64(s.files.Current().Number) })
	m.Watch("sallyport_config_broken", "1 while the files as they are cannot be put in force.",
		func() float64 { return truth(s.files.Err() != nil) })
	m.Watch("sallyport_audit_broken", "1 while the trail cannot be written and every request is refused.",
		func() float64 { return truth(s.trail.Err() != nil) })
	m.Watch("sallyport_audit_queue", "Events that wait for the next commit.",
		func() float64 { return float64(s.trail.Stats().Queue) })
	m.Watch("sallyport_audit_backlog", "Outcomes kept in memory after a failed commit.",
		func() float64 { return float64(s.trail.Stats().Backlog) })
	m.Watch("sallyport_audit_projection_lag", "Events that queries do not see yet.",
		func() float64 { return float64(s.trail.Stats().Lag) })
	m.Watch("sallyport_audit_commit_seconds", "Moving average of the time a commit takes.",
		func() float64 { return s.trail.Stats().AvgCommit.Seconds() })
	m.WatchTotal("sallyport_audit_events_total", "Events committed.",
		func() float64 { return float64(s.trail.Stats().Events) })
	m.WatchTotal("sallyport_audit_commits_total", "Group commits.",
		func() float64 { return float64(s.trail.Stats().Commits) })
	m.Watch("sallyport_checkpoint_behind_seconds", "How long the place that is furthest behind has lacked a checkpoint.",
		func() float64 { return s.publisher.Behind().Seconds() })
	m.Watch("sallyport_leaf_cache_size", "Certificates kept for intercepted hosts.",
		func() float64 { size, _, _ := s.leaves.Stats(); return float64(size) })
	m.WatchTotal("sallyport_leaf_issued_total", "Certificates issued for intercepted hosts.",
		func() float64 { _, issued, _ := s.leaves.Stats(); return float64(issued) })
	m.WatchTotal("sallyport_leaf_cache_hits_total", "Certificates for intercepted hosts taken from the cache.",
		func() float64 { _, _, hits := s.leaves.Stats(); return float64(hits) })
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
