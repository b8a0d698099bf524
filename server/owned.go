package server

import (
	"context"
	"time"
)

// ownedRetry is how long the server waits before it tries again to note a missing
// owner, or to suspend an agent without one.
const ownedRetry = 10 * time.Second

// keepOwned suspends agents whose owner has been missing for too long, until ctx
// ends. It looks at the start, after each reload, and when a grace ends.
func (s *server) keepOwned(ctx context.Context) {
	for {
		next, err := s.commands.session.SuspendOrphans(ctx, s.files.Current().Config.OwnersGrace)
		wait := time.Duration(1<<63 - 1) // no grace is running
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("agents without an owner could not be suspended; trying again", "error", err, "delay", ownedRetry)
			wait = ownedRetry
		case !next.IsZero():
			wait = max(0, next.Sub(s.now()))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.inForce.reloaded:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// orphaned says which live agents the files in force leave without an owner or a
// policy; nil if there are none.
func (s *server) orphaned() error {
	if s.commands.session == nil {
		return nil
	}
	orphans, err := s.commands.session.Orphans(context.Background()) //nolint:contextcheck // answered from memory
	if err != nil {
		return err
	}
	return orphans.Err(s.files.Current().Config.OwnersGrace)
}
