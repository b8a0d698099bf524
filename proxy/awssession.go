package proxy

import (
	"sallyport/credentials"
	"sallyport/policy"
	aws "sallyport/services/aws/api"
)

// SessionPolicy is the IAM policy that says what an agent's rules allow with a credential:
// what bounds the agent's session at AWS itself. It is empty if no rule speaks of AWS with
// the credential.
func SessionPolicy(p *policy.Policy, credential string) (string, error) {
	var grants []aws.Grant
	for _, g := range p.Grants(awsKey, credential) {
		one := aws.Grant{Rule: g.Rule, Deny: g.Effect == policy.Deny, Patterns: patternsIn(g.Operations), Regions: g.Regions}
		for _, r := range g.Resources {
			one.Resources = append(one.Resources, r.String())
		}
		grants = append(grants, one)
	}
	return aws.SessionPolicy(grants)
}

// bound keeps the session policies of one generation, for compiling one takes longer than
// a request.
type bound struct {
	document string
	err      error
}

func (g *Generation) sessionPolicy(p *policy.Policy, credential string) (string, error) {
	key := [2]string{p.Name(), credential}
	if known, ok := g.bounds.Load(key); ok {
		b, _ := known.(bound)
		return b.document, b.err
	}
	document, err := SessionPolicy(p, credential)
	g.bounds.Store(key, bound{document, err})
	return document, err
}

// useOfSession says what an AWS session is for: this agent, and no more than its rules.
func (x *exchange) useOfSession(use *credentials.Use) *refusal {
	use.Transport = x.errand()
	document, err := x.generation.sessionPolicy(x.policy, x.credential)
	if err != nil {
		return credentialUnavailable.causedBy("The credential "+x.credential+" cannot be had.", err)
	}
	use.Session = credentials.Session{Owner: x.record.Owner, Policy: x.policy.Name(), PolicyHash: x.policy.Hash(), Document: document}
	return nil
}
