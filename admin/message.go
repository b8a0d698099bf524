package admin

import (
	"time"

	"github.com/google/uuid"
)

// CreateRequest asks for a new agent.
type CreateRequest struct {
	Name   string   `json:"name,omitempty"` // the service makes one up if empty
	Policy string   `json:"policy"`
	Owner  string   `json:"owner"` // person:NAME or team:NAME
	TTL    Duration `json:"ttl"`
}

// RenewRequest asks for a new certificate for an agent that exists.
type RenewRequest struct {
	ID  string   `json:"id"` // UUID or name
	TTL Duration `json:"ttl"`
}

// StatusRequest asks for a change of an agent's status.
type StatusRequest struct {
	ID     string `json:"id"` // UUID or name
	Reason string `json:"reason,omitempty"`
}

// PruneRequest asks for the removal of old payloads from the trail.
type PruneRequest struct {
	Before time.Time `json:"before"`
	UpTo   uint64    `json:"up_to,omitempty"` // none after this event; 0: no such bound
}

// Agent is an agent as people and scripts see it.
type Agent struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name"`
	Policy      string    `json:"policy"`
	Owner       string    `json:"owner"`
	Accountable *string   `json:"accountable"` // the person now answerable; null for a team
	Status      string    `json:"status"`      // active | suspended | revoked | expired
	Reason      *string   `json:"reason"`
	CreatedAt   time.Time `json:"created_at"`
	ChangedAt   time.Time `json:"changed_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	SPIFFEID    string    `json:"spiffe_id"`
}

// Certificate is one certificate that was issued to an agent.
type Certificate struct {
	Serial     string    `json:"serial"`
	NotAfter   time.Time `json:"not_after"`
	Generation int       `json:"generation"`
	Revoked    bool      `json:"revoked"`
}

// AgentDetail is an agent with its certificates, newest first.
type AgentDetail struct {
	Agent
	Certificates []Certificate `json:"certificates"`
}

// Enrolment is an agent's identity as handed over once, to whoever asked for it.
type Enrolment struct {
	Agent       Agent    `json:"agent"`
	TrustDomain string   `json:"trust_domain"`
	Proxy       string   `json:"proxy"`       // host:port of the listener; "" if only a running server would know it
	Region      string   `json:"region"`      // of the AWS credential that the policy uses; "" if none
	Variables   []string `json:"variables"`   // that want the placeholder for the credentials that the policy uses
	Serial      string   `json:"serial"`      // of the certificate
	Certificate []byte   `json:"certificate"` // PEM
	Key         []byte   `json:"key"`         // PEM; exists nowhere else
	CA          []byte   `json:"ca"`          // PEM, the listener's
	Bundle      []byte   `json:"bundle"`      // PEM, system roots and the interception CA
}

// Configuration describes the set of files in force.
type Configuration struct {
	Generation uint64   `json:"generation"`
	Changed    bool     `json:"changed"` // whether this call put it in force
	Files      []File   `json:"files"`
	Warnings   []string `json:"warnings"`
}

// File is one configuration file and the hash of its bytes.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Credential is one configured credential, without its value.
type Credential struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Hosts    []string `json:"hosts"`
	Policies []string `json:"policies"` // whose rules name it
	Owners   []string `json:"owners"`   // the accounts that a github_app is bound to
	// RateLimits are what GitHub's answers said of the App's installations since the server
	// started; empty while no server runs.
	RateLimits []RateLimit `json:"rate_limits"`
}

// RateLimit is how one installation of an App stands in one of GitHub's budgets.
type RateLimit struct {
	Server       string     `json:"server"`
	Installation int64      `json:"installation"`
	Owner        string     `json:"owner"`
	Resource     *string    `json:"resource"` // "core", "graphql" …; null if only a backoff is known
	Limit        *int       `json:"limit"`
	Remaining    *int       `json:"remaining"`
	ResetAt      *time.Time `json:"reset_at"`
	Agents       int        `json:"agents"`      // that share it now
	RetryAfter   *time.Time `json:"retry_after"` // nothing is asked before; null if GitHub did not say to back off
}

// CredentialCheck says whether a credential could be loaded or minted.
type CredentialCheck struct {
	Name        string  `json:"name"`
	Kind        string  `json:"kind"`
	OK          bool    `json:"ok"`
	Fingerprint *string `json:"fingerprint"`
	Error       *string `json:"error"`
}

// Duration travels as text, such as "24h0m0s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Principal is who asked: a local user.
type Principal struct {
	origin
	UID  int
	User string
	Via  string // "socket" or "direct"

	barred error // why this principal may administer nothing, see barred
}

// Error is a failure with a sentence for the person who asked and what to try.
type Error struct {
	Kind Kind
	Msg  string
	Try  string
}

func (e *Error) Error() string { return e.Msg }

// Hint returns what to try; "" if there is nothing to say.
func (e *Error) Hint() string { return e.Try }

// Kind sorts errors by what a program can do about them.
type Kind string

// The kinds of Error.
const (
	Failed   Kind = "failed"   // something broke; trying again may help
	Invalid  Kind = "invalid"  // the request makes no sense
	Unknown  Kind = "unknown"  // no such agent, credential …
	Conflict Kind = "conflict" // not in the present state
	Barred   Kind = "barred"   // not by this caller
)
