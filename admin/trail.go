package admin

import (
	"context"
	"errors"
	"time"

	"sallyport/audit"
)

// pruneTimeout bounds one call, well before its client gives up; who asks goes
// on asking until it is done.
const pruneTimeout = 15 * time.Second

// PruneTrail removes the payloads of old exchanges. The trail announces it by
// an event with the caller's name first.
func (s *Session) PruneTrail(ctx context.Context, r PruneRequest) (audit.Pruned, error) {
	if err := s.may(ctx, ActPruneTrail); err != nil {
		return audit.Pruned{}, err
	}
	if s.service.Prune == nil {
		return audit.Pruned{}, errors.New("this trail cannot be pruned")
	}
	if r.Before.IsZero() || r.Before.After(s.service.Now()) {
		return audit.Pruned{}, &Error{Kind: Invalid, Msg: "only what is over can be pruned", Try: "give a time that has passed"}
	}
	ctx, cancel := context.WithTimeout(ctx, pruneTimeout)
	defer cancel()
	return s.service.Prune(ctx, audit.PruneRequest{Before: r.Before, UpTo: r.UpTo, By: s.principal.Payload()})
}
