package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/audit/trail"
	"sallyport/identity"
	"sallyport/internal/hint"
)

// since is what was done after the backup, as told by a newer copy of its trail.
type since struct {
	events  uint64 // of that trail
	root    string
	touched map[uuid.UUID]string // agents that anything was done to; the reason if one was revoked
	serials []string             // of certificates that were revoked by themselves
}

// lookSince reads the trail at path, which must verify and begin with all of the backup's.
func (r *restoring) lookSince(ctx context.Context, path string) (*since, error) {
	s := &since{touched: map[uuid.UUID]string{}}
	err := readTrailAt(path, func(reader *trail.Reader) error {
		o := audit.VerifyOptions{PublicKey: r.backup.PublicKey, Checkpoint: []byte(r.backup.Checkpoint), Progress: r.progress("verified")}
		if r.backup.Checkpoint == "" {
			o.Checkpoint = nil
		}
		report, err := reader.VerifyWith(ctx, o)
		if err != nil {
			return err
		}
		if !report.OK {
			return fmt.Errorf("it does not verify:\n%s", strings.Join(report.Problems, "\n"))
		}
		s.events, s.root = report.Events, report.Root
		m := r.backup.Manifest.Trail
		root, err := reader.RootAt(ctx, m.Events)
		if err != nil || root != m.Root {
			return errors.Join(errors.New("it does not begin with the backup's trail"), err)
		}
		if report.Events <= m.Events {
			return errors.New("it tells of nothing after the backup")
		}
		return reader.Events(ctx, audit.EventFilter{After: m.Events}, s.note)
	})
	if err != nil {
		return nil, hint.With(fmt.Errorf("--trail %s: %w", path, err), "leave --trail away, and look at every agent")
	}
	return s, nil
}

// note takes an event of any kind that is about an agent and not about an exchange.
func (s *since) note(e audit.EventRow) error {
	text, _ := e.Payload["agent"].(string)
	id, err := uuid.Parse(text)
	if err != nil || e.Exchange != uuid.Nil {
		return nil //nolint:nilerr // it is about no agent
	}
	if _, known := s.touched[id]; !known {
		s.touched[id] = ""
	}
	switch e.Type {
	case audit.TypeAgentRevoked:
		s.touched[id] = "revoked after the backup, at " + stamp(e.At)
	case audit.TypeCertificateRevoked:
		if serial, ok := e.Payload["serial"].(string); ok {
			s.serials = append(s.serials, serial)
		}
	}
	return nil
}

// settle gives each agent the safest state that it can have had: revoked if the newer trail says
// so, suspended if something may have been done to it after the backup, else the backup's.
func (r *restoring) settle(ctx context.Context, registry *identity.Registry) (err error) {
	if r.flags.newest {
		return nil
	}
	// Who joined by an invite after the backup stands nowhere in it.
	if _, err := registry.EndOpenInvites(ctx, "restored from the backup of "+stamp(r.backup.Manifest.MadeAt)+", after which it may have been used"); err != nil {
		return err
	}
	which := func(identity.Agent) bool { return true }
	if r.flags.trail != "" {
		if r.since, err = r.lookSince(ctx, r.flags.trail); err != nil {
			return err
		}
		if err := r.revokeSince(ctx, registry); err != nil {
			return err
		}
		which = func(a identity.Agent) bool { _, touched := r.since.touched[a.ID]; return touched }
	}
	reason := "restored from the backup of " + stamp(r.backup.Manifest.MadeAt) + ", after which it may have been suspended or revoked"
	r.suspended, err = registry.SuspendWhere(ctx, reason, which)
	return err
}

// revokeSince revokes the agents and the certificates that a later trail says were revoked.
func (r *restoring) revokeSince(ctx context.Context, registry *identity.Registry) error {
	for id, reason := range r.since.touched {
		if a, known := registry.Lookup(id); !known || reason == "" || a.Status == identity.Revoked {
			continue
		}
		a, err := registry.Revoke(ctx, id, reason)
		if err != nil {
			return err
		}
		r.revoked = append(r.revoked, a)
	}
	for _, serial := range r.since.serials {
		c, known := registry.Certificate(serial)
		if !known || c.Revoked {
			continue
		}
		revoked, err := registry.RevokeCertificates(ctx, c.Agent, "", func(one identity.Certificate) bool { return one.Serial == serial })
		if err != nil {
			return err
		}
		r.certificates = append(r.certificates, revoked...)
	}
	return nil
}
