package aws

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/policy"
	"sallyport/services"
	"sallyport/services/aws/api"
	"sallyport/services/aws/session"
	"sallyport/services/aws/sigv4"
)

// SessionPolicy is the IAM policy that says what an agent's rules allow with a credential, so
// that AWS itself holds the agent's session to it. It is empty if no rule about AWS names the
// credential.
func SessionPolicy(p *policy.Policy, credential string) (string, error) {
	var grants []api.Grant
	for _, r := range p.Clauses(Key) {
		m, ok := r.Clause.(*clause)
		if !ok || r.Effect != policy.Deny && r.Credential != credential {
			continue
		}
		one := api.Grant{Rule: r.Rule, Deny: r.Effect == policy.Deny, Patterns: patternsIn(m.operations), Regions: m.regions}
		for i := range m.resources {
			one.Resources = append(one.Resources, m.resources[i].String())
		}
		grants = append(grants, one)
	}
	return api.SessionPolicy(grants)
}

// compiled is a session policy, or why there is none. Compiling one takes longer than a
// request, so that a generation keeps them.
type compiled struct {
	document string
	err      error
}

func (s *sites) sessionPolicy(p *policy.Policy, credential string) (string, error) {
	key := [2]string{p.Name(), credential}
	if known, ok := s.documents.Load(key); ok {
		c, _ := known.(compiled)
		return c.document, c.err
	}
	document, err := SessionPolicy(p, credential)
	s.documents.Store(key, compiled{document, err})
	return document, err
}

// Narrow implements [services.Narrower]: a session is for this agent, and for no more than its
// rules.
func (s *sites) Narrow(n *services.Need, _ services.Visit) (bare bool, err error) {
	if n.Kind != session.Role {
		return false, nil
	}
	n.Use.Transport, _ = n.Errands()
	document, err := s.sessionPolicy(n.Policy, n.Credential)
	if err != nil {
		return false, err
	}
	n.Use.For = session.Purpose{Owner: n.Owner, Policy: n.Policy.Name(), PolicyHash: n.Policy.Hash(), Document: document}
	return false, nil
}

// CheckUse implements [services.UseChecker]: it says why the sessions of a role would be
// bounded by nothing under a rule, or could not be minted for it.
func (*Service) CheckUse(c *credentials.Credential, p *policy.Policy, use policy.CredentialUse) (what, hint string) {
	if m, ok := use.Clause.(*clause); ok {
		if what, hint := outOfRegion(c, use.Credential, m.regions); what != "" {
			return what, hint
		}
	}
	minted, given := session.Bounded(c)
	switch {
	case !minted || given:
		return "", ""
	case use.Service == "":
		return fmt.Sprintf("a rule about hosts does not tell what a session of credential %q must be able to do", use.Credential),
			"write an aws: rule, or give the credential a session_policy or policy_arns"
	}
	document, err := SessionPolicy(p, use.Credential)
	if err == nil {
		document, err = session.DocumentFor(c, document)
	}
	switch {
	case err != nil:
		return err.Error(), ""
	case len(document) > session.MaxPolicy:
		return fmt.Sprintf("the session policy that the policy's aws: rules with credential %q make has %d characters, and STS takes %d", use.Credential, len(document), session.MaxPolicy),
			"shorten the rules (a * for many operations, fewer resources), or give the credential a session_policy or policy_arns"
	}
	return "", ""
}

// outOfRegion says why no request that a rule allows could be signed.
func outOfRegion(c *credentials.Credential, name string, regions []string) (what, hint string) {
	region := c.Region()
	if len(regions) == 0 || region == "" {
		return "", ""
	}
	if minted, _ := session.Bounded(c); minted {
		partition := sigv4.Partition(region)
		fits := func(pattern string) bool {
			return strings.Contains(pattern, "*") || sigv4.Partition(pattern) == partition
		}
		if slices.ContainsFunc(regions, fits) {
			return "", ""
		}
		return fmt.Sprintf("the rule is for regions [%s], and the role of credential %q is in partition %s", strings.Join(regions, ", "), name, partition),
			"write regions of that partition, or another credential"
	}
	if slices.Contains(regions, region) || slices.ContainsFunc(regions, func(pattern string) bool { return strings.Contains(pattern, "*") }) {
		return "", ""
	}
	return fmt.Sprintf("the rule is for regions [%s], and credential %q signs for %s alone", strings.Join(regions, ", "), name, region),
		"write regions: [" + region + "], or leave regions out"
}
