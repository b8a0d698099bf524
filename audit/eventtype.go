package audit

import "strings"

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
	TypeInviteCreated         = "invite.created" // a token by which agents join
	TypeInviteEnded           = "invite.ended"
	TypeJoinRefused           = "join.refused" // somebody who wanted to be an agent
	TypeCertificateRevoked    = "certificate.revoked"
	TypeOwnerMissing          = "owner.missing" // owners.yaml lacks the owner of live agents
	TypeOwnerReturned         = "owner.returned"
	TypeCredentialChecked     = "credential.checked"     //nolint:gosec // a type of events; a person tried a credential
	TypeAdministrationRefused = "administration.refused" // a caller who may not ask
	TypeSidecarRefused        = "sidecar.refused"        // clients that an agent's sidecar let nothing out for, as it tells
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

// eventType is what is known of a type.
type eventType struct {
	name string
	// keys are those of its payload, beside who asked (uid, user, via and where from) where somebody did. What is
	// unknown is left out; an intent and an outcome have the fields of a row (field.go).
	keys string
	// account and activity are its class and activity in OCSF: Account Change, or Entity Management. Without an
	// activity it is "Other", by the type itself.
	account  bool
	activity string
	low      bool // its severity in OCSF is low, not informational
}

// eventTypes is all types that are written.
var eventTypes = []eventType{
	{name: TypeIntent},
	{name: TypeOutcome},
	{name: TypePushRefs, keys: "refs", activity: "Read"},
	{name: TypePushRejected, keys: "rejected", activity: "Read"},
	{name: TypeCalls, keys: "calls", activity: "Read"},
	{name: TypeAgentCreated, keys: "agent name policy owner accountable status expires_at reason invite from", account: true, activity: "Create"},
	{name: TypeAgentRenewed, keys: "agent name policy owner accountable status expires_at reason", account: true},
	{name: TypeAgentSuspended, keys: "agent name policy owner accountable status expires_at reason from", account: true, activity: "Disable", low: true},
	{name: TypeAgentResumed, keys: "agent name policy owner accountable status expires_at reason", account: true, activity: "Enable"},
	{name: TypeAgentRevoked, keys: "agent name policy owner accountable status expires_at reason", account: true, activity: "Delete", low: true},
	{name: TypeCertificateIssued, keys: "agent serial not_after spiffe_id invite replaces from", activity: "Create"},
	{name: TypeInviteCreated, keys: "invite name policy owner accountable uses agent_ttl expires_at from", activity: "Create"},
	{name: TypeInviteEnded, keys: "invite name policy owner accountable uses agent_ttl expires_at from reason", activity: "Delete"},
	{name: TypeJoinRefused, keys: "invite reason from unrecorded"},
	{name: TypeCertificateRevoked, keys: "agent name policy owner accountable serial generation not_after reason replaced_by", activity: "Delete"},
	{name: TypeOwnerMissing, keys: "owner agents agents_total suspended_at accountable"},
	{name: TypeOwnerReturned, keys: "owner"},
	{name: TypeCredentialChecked, keys: "credential kind", activity: "Read"},
	{name: TypeAdministrationRefused, keys: "call reason unrecorded"},
	{name: TypeSidecarRefused, keys: "agent name owner accountable client_addr password malformed caller seconds", low: true},
	{name: TypeServerStarted, keys: "authorities", activity: "Activate"},
	{name: TypeServerStopped, activity: "Deactivate"},
	{name: TypeServerDrained, activity: "Deactivate"},
	{name: TypeAuthorityChanged, keys: "authority was is", activity: "Update", low: true},
	{name: TypeConfigurationLoaded, keys: "generation source files files_total git", activity: "Update"},
	{name: TypeConfigurationFiles, keys: "generation files"},
	{name: TypeConfigurationKept, keys: "generation source error", activity: "Update", low: true},
	{name: TypeDocumentStored, keys: "sha256 bytes", activity: "Create"},
	{name: TypeBackupStarted, keys: "dir keys recipients", activity: "Activate"},
	{name: TypeBackupMade, keys: "dir keys recipients manifest events", activity: "Create"},
	{name: TypeHomeRestored, activity: "Update"},
	{name: TypeTrailPruned, keys: "before up_to", activity: "Delete", low: true},
	{name: TypeTrailRecovered, keys: "interrupted"},
	{name: TypeTrailLogMissing, keys: "events"},
	{name: TypeTrailContinued, keys: "was_log was_key checkpoint events root log key"},
	{name: TypeTrailHeld, keys: "why", activity: "Suspend", low: true},
	{name: TypeTrailReleased, activity: "Resume"},
}

// EventTypes are all types that are written.
func EventTypes() []string {
	var names []string
	for _, t := range eventTypes {
		names = append(names, t.name)
	}
	return names
}

// eventTypeOf is what is known of a type. Of one that another program writes, the first word tells the class and the
// last word the activity, as they do for all that are known.
func eventTypeOf(name string) eventType {
	subject, word, _ := strings.Cut(name, ".")
	guess := eventType{name: name, account: subject == "agent"}
	if word == "created" && !guess.account { // which nothing else of ours is yet
		guess.activity = "Create"
	}
	for _, t := range eventTypes {
		if t.name == name {
			return t
		}
		if _, last, _ := strings.Cut(t.name, "."); last == word && t.account == guess.account {
			guess.activity = t.activity
		}
	}
	return guess
}
