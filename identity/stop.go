package identity

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// UnwrittenError is that a stop is in force in this process and could not be written: it
// ends with the process.
type UnwrittenError struct{ Err error }

func (e *UnwrittenError) Error() string { return e.Err.Error() }
func (e *UnwrittenError) Unwrap() error { return e.Err }

// storageError marks what went wrong with the database, as opposed to what may not be done.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

func stored(err error) error {
	if err == nil {
		return nil
	}
	return &storageError{explain(err)}
}

// stops are the stops that could not be written: the view shows them above what the database
// has, and only what is committed and no weaker takes their place. Guarded by the registry's
// changes; count may be read by anybody.
type stops struct {
	of    map[uuid.UUID]*stop
	count atomic.Int64
}

// stop is what is stopped of one agent.
type stop struct {
	status  Status // Suspended or Revoked; "" if the agent itself is not stopped
	reason  string
	at      time.Time
	serials map[string]bool // certificates that are revoked
	under   *record         // what was committed last
}

// hold stops the agent itself, unless it is stopped as much.
func (s *stop) hold(status Status, reason string, at time.Time) {
	if severity(status) > severity(s.status) {
		s.status, s.reason, s.at = status, reason, at
	}
}

func (s *stops) agent(id uuid.UUID) *stop {
	if s.of == nil {
		s.of = map[uuid.UUID]*stop{}
	}
	if s.of[id] == nil {
		s.of[id] = &stop{serials: map[string]bool{}}
	}
	s.count.Store(int64(len(s.of)))
	return s.of[id]
}

// over is rec, as it was committed, with what is stopped above it. What it has by itself is
// forgotten.
func (s *stops) over(rec *record) *record {
	stop := s.of[rec.agent.ID]
	if stop == nil {
		return rec
	}
	stop.under = rec
	above := &record{agent: rec.agent, certificates: make([]*Certificate, len(rec.certificates))}
	if severity(stop.status) <= severity(rec.agent.Status) {
		stop.status = ""
	} else {
		above.agent.Status, above.agent.Reason, above.agent.ChangedAt = stop.status, stop.reason, stop.at
	}
	for i, c := range rec.certificates {
		if c.Revoked {
			delete(stop.serials, c.Serial)
		}
		if above.certificates[i] = c; stop.status == Revoked || stop.serials[c.Serial] {
			revoked := *c
			revoked.Revoked = true
			above.certificates[i] = &revoked
		}
	}
	if stop.status == "" && len(stop.serials) == 0 {
		delete(s.of, rec.agent.ID)
	}
	s.count.Store(int64(len(s.of)))
	return above
}

func severity(s Status) int {
	switch s {
	case "", Active:
		return 0
	case Suspended:
		return 1
	case Revoked:
	}
	return 2
}

// stop puts a stop that could not be written above what the view has of the agent. What says
// anything else than that it could not be written stops nothing.
func (r *Registry) stop(id uuid.UUID, failed error, put func(*stop)) (Agent, error) {
	if _, ok := errors.AsType[*storageError](failed); !ok {
		return Agent{}, failed
	}
	r.changes.Lock()
	defer r.changes.Unlock()
	rec, ok := r.agents.Load(id)
	if !ok || r.following.Load() {
		return Agent{}, failed
	}
	under := rec.(*record)
	if held := r.stops.of[id]; held != nil {
		under = held.under // the view has the stops, and would pass for a database that does
	}
	put(r.stops.agent(id))
	return r.publish(under).agent, &UnwrittenError{failed}
}

// Unwritten is the error that agents are stopped in this process which the database has as
// running; nil if there are none.
func (r *Registry) Unwritten() error {
	if n := r.stops.count.Load(); n > 0 {
		return fmt.Errorf("%d agents are stopped in this server, but not on disk, and a restart forgets it; make room and stop them again", n)
	}
	return nil
}

// IsUnwritten reports whether something of the agent is stopped that could not be written.
func (r *Registry) IsUnwritten(id uuid.UUID) bool {
	r.changes.Lock()
	defer r.changes.Unlock()
	return r.stops.of[id] != nil
}
