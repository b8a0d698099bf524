package admin

import (
	"context"

	"sallyport/audit"
)

// Act is a use case that a principal asks for.
type Act string

// The acts. Looking is an act too, for it may be refused like the others.
const (
	ActCreateAgent       Act = "create an agent"
	ActRenewAgent        Act = "renew an agent"
	ActSuspendAgent      Act = "suspend an agent"
	ActResumeAgent       Act = "resume an agent"
	ActRevokeAgent       Act = "revoke an agent"
	ActRevokeCertificate Act = "revoke a certificate"
	ActInvite            Act = "invite agents"
	ActShowAgents        Act = "show agents"
	ActReload            Act = "reload the configuration"
	ActShowCredentials   Act = "show credentials"
	ActCheckCredential   Act = "check a credential" //nolint:gosec // the name of an act, no credential
	ActPruneTrail        Act = "prune the trail"
	ActRecordBackup      Act = "record a backup"
	ActSucceed           Act = "take over"
)

// may says whether the principal may do this: the one place that decides it. A local user who
// reaches the socket, or the stores, may do everything; a command of a run may do nothing, and
// that it asked is recorded. It stays refused whatever happens to the trail.
func (s *Session) may(ctx context.Context, act Act) error {
	refusal := s.principal.barred
	if refusal == nil {
		return nil
	}
	if unsaid, due := s.service.barred.due(s.service.Now(), barredPause); due {
		call := s.call
		if call == "" {
			call = string(act)
		}
		_ = s.record(ctx, audit.TypeAdministrationRefused, map[string]any{"call": call, "reason": refusal.Error(), "unrecorded": unsaid})
	}
	return refusal
}
