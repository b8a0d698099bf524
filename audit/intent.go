package audit

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Words of Intent.Decision.
const (
	DecisionAllow = "allow"
	DecisionDeny  = "deny"
	DecisionAsk   = "ask"
)

// Words of Outcome.Outcome.
const (
	OutcomeCompleted      = "completed"
	OutcomeRejected       = "rejected" // answered, and the answer says that the upstream did not do it
	OutcomeRefused        = "refused"
	OutcomeUpstreamFailed = "upstream_failed"
	OutcomeTimedOut       = "timed_out"
	OutcomeClientGone     = "client_gone"
	OutcomeRevoked        = "revoked"
	OutcomeInterrupted    = "interrupted"
)

// Outcomes are all words of Outcome.Outcome.
func Outcomes() []string {
	return []string{
		OutcomeCompleted, OutcomeRefused, OutcomeUpstreamFailed, OutcomeTimedOut,
		OutcomeClientGone, OutcomeRevoked, OutcomeInterrupted, OutcomeRejected,
	}
}

// Intent is everything known about an exchange before its request leaves.
// A zero field means unknown and reads as null. Strings may hold any bytes;
// each is cut at its cap (see Caps in doc.go).
type Intent struct {
	ID        uuid.UUID // from NewID
	StartedAt time.Time

	Who

	PolicyHash, Rule  string
	Decision, Refusal string

	Method, Scheme, Host string
	Port                 uint16
	Path                 string
	Operation, Resource  string

	Credential, CredentialFingerprint   string
	CertSerial, ClientAddr, HTTPVersion string

	Instance string // the process that has begun it; the trail says which

	// Details holds strings, booleans, numbers, and lists and maps of these.
	Details map[string]any

	AuthorizeMS, CredentialMS float64
}

// Outcome is what came of an exchange. A zero field means unknown, except the
// byte counts, where zero is a count and a negative number means unknown.
type Outcome struct {
	EndedAt      time.Time
	Refusal      string // replaces the intent's when set
	UpstreamAddr string
	Status       int
	Outcome      string

	BytesSent, BytesReceived int64

	UpstreamRequestID string
	Timings           Timings
	Details           map[string]any // added to the intent's; wins where both have a key
	Error             string
}

// Timings are durations in milliseconds, kept to the microsecond. Zero means
// unknown.
type Timings struct {
	Authorize, Credential, Audit, Connect, FirstByte, Total float64
}

// Event is anything worth recording that is not an exchange: a start, a
// certificate issued, a file loaded. Exchange ties it to one when set.
type Event struct {
	Type     string
	Exchange uuid.UUID
	// Payload holds strings, booleans, numbers, and lists and maps of these.
	Payload map[string]any
}

// Check refuses an event that no log can keep.
func (ev *Event) Check() error {
	switch {
	case ev.Type == "" || len(ev.Type) > MaxType:
		return fmt.Errorf("record: type %q is empty or longer than %d bytes", ev.Type, MaxType)
	case ev.Type == TypeIntent || ev.Type == TypeOutcome:
		return fmt.Errorf("record: type %q belongs to exchanges", ev.Type)
	}
	return nil
}

// NewID returns a new exchange id, a UUIDv7.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
