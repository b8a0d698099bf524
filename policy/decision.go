package policy

import "sallyport/internal/host"

// Effect is what a rule, or a policy, says to a request. The zero Effect denies.
type Effect uint8

// The effects, weakest first claim: Deny beats Ask beats Allow.
const (
	Deny Effect = iota
	Ask         // a person must approve first
	Allow
)

// String returns the word that policy files and the trail use.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "allow"
	case Ask:
		return "ask"
	case Deny:
	}
	return "deny"
}

// The methods that stand for upgrades.
const (
	Upgrade     = "WEBSOCKET" // a WebSocket handshake
	UpgradeSPDY = "SPDY"      // to SPDY/3.1, which older clients of Kubernetes ask for
)

// Query is the request that a policy is asked about.
type Query struct {
	Method    string // as sent, or what stands for an upgrade
	Scheme    string // "https" or "http"
	Authority host.Authority
	Path      Path
	RawQuery  string // as sent, without "?"; read only where a rule names query

	// Meaning is what the request does to the service that it goes to; nil if it goes
	// to none that is known.
	Meaning *Meaning

	call  *Call // the one of Meaning that is asked about
	bound Bound // why only its exact name may be allowed; nil for no reason
}

// Decision is a policy's answer. The zero Decision denies.
type Decision struct {
	Effect     Effect
	AgentAuth  bool    // the agent's own authentication may pass
	Cookies    bool    // Set-Cookie of a credentialed answer may pass
	Rule       string  // the deciding rule, "" when none matched
	Credential string  // what to inject, "" for nothing
	Scope      Scope   // what the rule says of a credential that is made for it; nil for nothing
	Record     *Record // what the trail keeps beside the usual; nil for nothing
	Reason     string  // a sentence for the agent
}

// Explanation is a Decision with the part that each rule had in it.
type Explanation struct {
	Decision Decision
	Rules    []RuleExplanation // in the order of the file
}

// RuleExplanation says why one rule did or did not decide.
type RuleExplanation struct {
	Rule    string
	Effect  Effect
	Line    int
	Matched bool
	Decides bool
	Why     string // in the words of the policy file
}

// CredentialUse is one rule that names a credential, for the check that the
// credential exists and is bound to every host that the rule can match.
type CredentialUse struct {
	Rule       string
	Credential string
	Line       int
	Hosts      []host.Pattern // a port that is the scheme's default is left out
	Scheme     string
	Service    string // the key of a rule about a service, which has no Hosts
	Clause     Clause // of that rule; nil for a rule about hosts
	Scope      Scope  // what the rule says of a credential that is made for it; nil for nothing
}

// TestFailure is a test of the policy file that came out otherwise.
type TestFailure struct {
	File     string
	Line     int
	Request  string
	Expected string // as written
	Got      Decision
}
