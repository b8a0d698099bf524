package session

import (
	"sallyport/credentials"
	"sallyport/services/aws/sigv4"
)

// The kinds of credentials that are AWS's.
const (
	Role = "aws_role" // whose sessions are minted for each agent
	Keys = "aws_keys" // that are fixed
)

// Kinds are those of package credentials.
func Kinds() []credentials.Kind {
	return []credentials.Kind{
		{Name: Role, Keys: []string{"role_arn", "region", "base", "duration", "session_policy", "policy_arns", "sts_endpoint", "metadata", "accounts", "services", "hosts"}, Decode: decodeRole, Signs: true},
		{Name: Keys, Keys: []string{"access_key_id", "secret", "session_token", "region", "accounts", "services", "hosts"}, Decode: decodeKeys, Signs: true},
	}
}

// Purpose says of an agent what its session is tagged with and may do: what
// [credentials.Use].For holds for the kind [Role].
type Purpose struct {
	Owner      string // "person:dana"
	Policy     string // its name
	PolicyHash string // so that a changed policy is another session
	Document   string // an IAM policy that says what the agent's rules do; "" if none can
}

// Bounded reports of a credential whether its sessions are bounded by the agent's own rules;
// given says that the credential says itself what bounds them.
func Bounded(c *credentials.Credential) (minted, given bool) {
	r, ok := c.Maker().(*role)
	return ok, ok && r.given()
}

// DocumentFor is the session policy that is sent for what an agent's rules make: with the
// accounts, if the credential is bound to some.
func DocumentFor(c *credentials.Credential, rules string) (string, error) {
	r, ok := c.Maker().(*role)
	if !ok || rules == "" {
		return rules, nil
	}
	return boundToAccounts(rules, r.accounts)
}

// newSigning is what a credential of either kind begins with.
func newSigning(s *credentials.Section, c *credentials.Credential) signing {
	kept := credentials.StoreOf(s, newStore)
	return signing{credential: c, store: kept, options: sigv4.Options{Clock: &sigv4.Clock{Now: s.Now()}, Spool: kept.spool}}
}
