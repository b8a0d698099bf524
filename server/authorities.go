package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/certs"
)

// EventAuthority is the event of an authority that is another than at the last start.
const EventAuthority = "authority.changed"

// fingerprints are the authorities' by the SHA-256 of their certificates, as browsers and
// openssl show it.
func (s *stores) fingerprints() map[string]any {
	of := func(a *certs.Authority) string {
		sum := sha256.Sum256(a.Certificate().Raw)
		return hex.EncodeToString(sum[:])
	}
	return map[string]any{"agent": of(s.agentCA), "interception": of(s.interceptionCA)}
}

// recordStart puts into the trail who started the server and with which authorities.
func (s *server) recordStart(ctx context.Context, started map[string]any) error {
	before, err := s.lastAuthorities(ctx)
	if err != nil {
		return err
	}
	maps.Copy(started, admin.Itself().Payload())
	started["authorities"] = s.fingerprints()
	if err := s.trail.Record(ctx, audit.Event{Type: EventStarted, Payload: started}); err != nil {
		return fmt.Errorf("record the start in the audit trail: %w", err)
	}
	return s.recordAuthorities(ctx, before)
}

// recordAuthorities puts into the trail which authority is not the one that the start
// before said.
func (s *server) recordAuthorities(ctx context.Context, before map[string]any) error {
	now := s.fingerprints()
	for _, name := range []string{"agent", "interception"} {
		was, _ := before[name].(string)
		if was == "" || was == now[name] {
			continue
		}
		s.log.Warn("an authority is another than at the last start", "authority", name, "was", was, "is", now[name])
		event := audit.Event{Type: EventAuthority, Payload: map[string]any{"authority": name, "was": was, "is": now[name]}}
		if err := s.trail.Record(ctx, event); err != nil {
			return fmt.Errorf("record a changed authority in the audit trail: %w", err)
		}
	}
	return nil
}

// lastAuthorities are the fingerprints that the last start recorded.
func (s *server) lastAuthorities(ctx context.Context) (map[string]any, error) {
	r, err := audit.OpenReader(s.layout.Trail())
	if err != nil {
		return nil, err
	}
	last, err := r.Last(ctx, EventStarted)
	err = errors.Join(err, r.Close())
	switch {
	case errors.Is(err, audit.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for the last start in the audit trail: %w", err)
	}
	before, _ := last.Payload["authorities"].(map[string]any)
	return before, nil
}
