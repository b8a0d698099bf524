package server

import (
	"context"
	"time"
)

// usesEvery is how often it is written which certificates are used for the first time. What
// is lost in a crash costs nothing but that an answer may be given once more.
const usesEvery = 2 * time.Second

// keepUses writes them until ctx ends, and once more then.
func (s *server) keepUses(ctx context.Context) {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		err := s.registry.WriteUses(context.WithoutCancel(ctx))
		if err != nil {
			s.log.Warn("which certificates are in use could not be written; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			_ = s.registry.WriteUses(context.WithoutCancel(ctx)) // logged above, if it is of any use
			return
		case <-tick.C:
		}
	}
}
