package audit

// The types of events: what each row of the log is about. Every writer and reader takes them
// from here.
const (
	TypeIntent                = "intent"        // an exchange that is about to leave, or was refused
	TypeOutcome               = "outcome"       // what came of an exchange
	TypePushRefs              = "push.refs"     // refs of a push that its row has no room for
	TypePushRejected          = "push.rejected" // refs that the server rejected, which the row has no room for
	TypeCalls                 = "request.calls" // operations of a request that its row has no room for
	TypeAgentCreated          = "agent.created"
	TypeAgentRenewed          = "agent.renewed"
	TypeAgentSuspended        = "agent.suspended"
	TypeAgentResumed          = "agent.resumed"
	TypeAgentRevoked          = "agent.revoked"
	TypeCertificateIssued     = "certificate.issued"
	TypeCertificateRevoked    = "certificate.revoked"
	TypeOwnerMissing          = "owner.missing" // owners.yaml lacks the owner of live agents
	TypeOwnerReturned         = "owner.returned"
	TypeCredentialChecked     = "credential.checked"     //nolint:gosec // a type of events; a person tried a credential
	TypeAdministrationRefused = "administration.refused" // a caller who may not ask
	TypeServerStarted         = "server.started"
	TypeServerStopped         = "server.stopped"
	TypeServerDrained         = "server.drained"       // the end of a server that another one had taken over from
	TypeAuthorityChanged      = "authority.changed"    // an authority is another than at the last start
	TypeConfigurationLoaded   = "configuration.loaded" // files are about to decide
	TypeConfigurationFiles    = "configuration.files"  // files that are too many for the event before
	TypeConfigurationKept     = "configuration.kept"   // files were not put in force
	TypeDocumentStored        = "document.stored"      // a text that other events name by its hash
	TypeBackupStarted         = "backup.started"
	TypeBackupMade            = "backup.made"
	TypeHomeRestored          = "home.restored"     // from a backup
	TypeTrailPruned           = "trail.pruned"      // a removal, before it begins
	TypeTrailRecovered        = "trail.recovered"   // a start closed what a crash had left open
	TypeTrailLogMissing       = "trail.log_missing" // a start found a trail without the write-ahead log in which its end was
	// TypeTrailContinued: its payload names the identity before ("was_log", "was_key"), the newest
	// checkpoint that it signed ("checkpoint"), the events and the root at which the trail was
	// copied ("events", "root"), and the identity from here on ("log", "key").
	TypeTrailContinued = "trail.continued"
	TypeTrailHeld      = "trail.held" // checkpoints could not be published for too long
	TypeTrailReleased  = "trail.released"
)

// EventTypes are all types that are written.
func EventTypes() []string {
	return []string{
		TypeIntent,
		TypeOutcome,
		TypePushRefs,
		TypePushRejected,
		TypeCalls,
		TypeAgentCreated,
		TypeAgentRenewed,
		TypeAgentSuspended,
		TypeAgentResumed,
		TypeAgentRevoked,
		TypeCertificateIssued,
		TypeCertificateRevoked,
		TypeOwnerMissing,
		TypeOwnerReturned,
		TypeCredentialChecked,
		TypeAdministrationRefused,
		TypeServerStarted,
		TypeServerStopped,
		TypeServerDrained,
		TypeAuthorityChanged,
		TypeConfigurationLoaded,
		TypeConfigurationFiles,
		TypeConfigurationKept,
		TypeDocumentStored,
		TypeBackupStarted,
		TypeBackupMade,
		TypeHomeRestored,
		TypeTrailPruned,
		TypeTrailRecovered,
		TypeTrailLogMissing,
		TypeTrailContinued,
		TypeTrailHeld,
		TypeTrailReleased,
	}
}
