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

// stops are the suspensions and revocations that could not be written. The view shows them in
// addition to what the database has, until a commit stops the agent at least as firmly. The
// registry's lock on changes guards them; count may be read without it.
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
	under   *holder         // as the database had it at the last commit
}

// raise stops the agent itself, unless it is stopped as firmly already.
func (s *stop) raise(status Status, reason string, at time.Time) {
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

// over is h, as it was committed, with the unwritten stops applied to it. Stops that h has
// itself are forgotten, for they are written now.
func (s *stops) over(h *holder) *holder {
	stop := s.of[h.agent.ID]
	if stop == nil {
		return h
	}
	stop.under = h
	above := &holder{agent: h.agent, certificates: make([]*Certificate, len(h.certificates))}
	if severity(stop.status) <= severity(h.agent.Status) {
		stop.status = ""
	} else {
		above.agent.Status, above.agent.Reason, above.agent.ChangedAt = stop.status, stop.reason, stop.at
	}
	for i, c := range h.certificates {
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
		delete(s.of, h.agent.ID)
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

// stop applies a stop to the view alone, after failed has said that it could not be written.
// After any other error nothing is stopped: the stop itself was refused.
func (r *Registry) stop(id uuid.UUID, failed error, put func(*stop)) (Agent, error) {
	if _, ok := errors.AsType[*storageError](failed); !ok {
		return Agent{}, failed
	}
	r.changes.Lock()
	defer r.changes.Unlock()
	h, ok := r.agents.Load(id)
	if !ok || r.following.Load() {
		return Agent{}, failed
	}
	under := h.(*holder)
	if unwritten := r.stops.of[id]; unwritten != nil {
		under = unwritten.under // and not what the view shows, which has the stops as if they were written
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
