package server

import (
	"context"

	"sallyport/admin"
	"sallyport/audit"
)

// Administration is what commands change agents through: the running server, or the
// stores themselves when none runs.
type Administration interface {
	CreateAgent(ctx context.Context, r admin.CreateRequest) (admin.Enrolment, error)
	RenewAgent(ctx context.Context, r admin.RenewRequest) (admin.Enrolment, error)
	Agents(ctx context.Context) ([]admin.Agent, error)
	Agent(ctx context.Context, id string) (admin.AgentDetail, error)
	SuspendAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	ResumeAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	RevokeAgent(ctx context.Context, r admin.StatusRequest) (admin.Agent, error)
	RevokeCertificate(ctx context.Context, r admin.CertificateRequest) (admin.RevokedCertificates, error)
	Inviter() admin.Inviter
	Credentials(ctx context.Context) ([]admin.Credential, error)
	CheckCredential(ctx context.Context, name string) (admin.CredentialCheck, error)
	PruneTrail(ctx context.Context, r admin.PruneRequest) (audit.Pruned, error)
	RecordBackup(ctx context.Context, r admin.BackupRequest) (admin.Nothing, error)
}
