package admin

import (
	"context"
	"fmt"

	"sallyport/audit"
	"sallyport/identity"
)

// BackupRequest tells the trail of a backup: before it is made and, with the hash of its
// manifest, when it is whole.
type BackupRequest struct {
	Dir        string   `json:"dir"`
	Keys       string   `json:"keys"` // none, encrypted or plain
	Recipients []string `json:"recipients,omitempty"`
	Manifest   string   `json:"manifest,omitempty"` // SHA-256 in hexadecimal; "" before it is made
	Events     uint64   `json:"events,omitempty"`   // of the trail that it holds
}

// Nothing is the answer to a command that has none.
type Nothing struct{}

// RecordBackup puts a backup into the trail.
func (s *Session) RecordBackup(ctx context.Context, r BackupRequest) (Nothing, error) {
	if err := s.may(ctx, ActRecordBackup); err != nil {
		return Nothing{}, err
	}
	event, payload := audit.TypeBackupStarted, map[string]any{"dir": r.Dir, "keys": r.Keys}
	if len(r.Recipients) > 0 {
		payload["recipients"] = r.Recipients
	}
	if r.Manifest != "" {
		event = audit.TypeBackupMade
		payload["manifest"], payload["events"] = r.Manifest, r.Events
	}
	return Nothing{}, s.record(ctx, event, payload)
}

// RecordRestore puts a restore into the trail that it has restored, and each agent that it
// has suspended or revoked, and each certificate that it has revoked beside them.
func (s *Session) RecordRestore(ctx context.Context, payload map[string]any, stopped []identity.Agent, certificates []identity.Certificate) error {
	if err := s.record(ctx, audit.TypeHomeRestored, payload); err != nil {
		return err
	}
	view := s.service.View()
	for _, a := range stopped {
		if err := s.recordAgent(ctx, "agent."+string(a.Status), view, a); err != nil {
			return fmt.Errorf("agent %s: %w", a.ID, err)
		}
	}
	for _, c := range certificates {
		agent, _ := s.service.Registry.Lookup(c.Agent)
		r := CertificateRequest{Reason: "revoked after the backup"}
		if err := s.recordCertificate(ctx, view, agent, c, r, c); err != nil {
			return fmt.Errorf("certificate %s: %w", c.Serial, err)
		}
	}
	return nil
}
