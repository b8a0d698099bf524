package join

import "time"

// Where the enrolment listener takes what. Both are POST.
const (
	JoinPath  = "/v1/join"
	RenewPath = "/v1/renew"
)

// MaxMessage bounds a request to the listener, and MaxAnswer its answer, which holds the
// system's roots.
const (
	MaxMessage = 32 << 10
	MaxAnswer  = 4 << 20
)

// Request asks for a new agent: who shows the invite's secret may have one, with the key that
// the certificate request is for.
type Request struct {
	Invite  string `json:"invite"`
	Secret  string `json:"secret"`
	Request []byte `json:"request"` // for a certificate, PEM
}

// Renewal asks for a new certificate in place of the one that was shown in the handshake.
type Renewal struct {
	Request []byte `json:"request"` // for a certificate with a fresh key, PEM
}

// Identity is what an agent is given: all but its key, which it made itself. Times are UTC.
type Identity struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Policy      string    `json:"policy"`
	Owner       string    `json:"owner"`
	SPIFFEID    string    `json:"spiffe_id"`
	TrustDomain string    `json:"trust_domain"`
	Proxy       string    `json:"proxy"`     // host:port; "" if the server does not know how it is reached
	Region      string    `json:"region"`    // of the AWS credential that the policy uses; "" if none
	Variables   []string  `json:"variables"` // that want the placeholder for the credentials that the policy uses
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at"` // the end of the agent; certificates end before
	Serial      string    `json:"serial"`
	Certificate []byte    `json:"certificate"` // PEM
	CA          []byte    `json:"ca"`          // PEM, of the listeners
	Bundle      []byte    `json:"bundle"`      // PEM, system roots and the interception authority
}

// Problem is the answer to what was refused.
type Problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	// Final says that the same request will never be granted.
	Final bool `json:"final"`
}
