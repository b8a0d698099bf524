package config

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/credentials"
	"sallyport/credentials/sigv4"
	"sallyport/policy"
	"sallyport/proxy"
)

// unbounded says why the sessions of an AWS role would not be bounded for a rule, or
// could not be.
func unbounded(c *credentials.Credential, p *policy.Policy, use policy.CredentialUse) (what, hint string) {
	if what, hint := outOfRegion(c, use); what != "" {
		return what, hint
	}
	role, given := c.SessionKind()
	switch {
	case !role || given:
		return "", ""
	case use.Service == "":
		return fmt.Sprintf("a rule about hosts does not tell what a session of credential %q must be able to do", use.Credential),
			"write an aws: rule, or give the credential a session_policy or policy_arns"
	}
	document, err := proxy.SessionPolicy(p, use.Credential)
	if err == nil {
		document, err = c.SessionDocument(document)
	}
	switch {
	case err != nil:
		return err.Error(), ""
	case len(document) > credentials.MaxSessionPolicy:
		return fmt.Sprintf("the session policy that the policy's aws: rules with credential %q make has %d characters, and STS takes %d", use.Credential, len(document), credentials.MaxSessionPolicy),
			"shorten the rules (a * for many operations, fewer resources), or give the credential a session_policy or policy_arns"
	}
	return "", ""
}

// outOfRegion says why no request that a rule allows could be signed.
func outOfRegion(c *credentials.Credential, use policy.CredentialUse) (what, hint string) {
	region := c.Region()
	if len(use.Regions) == 0 || region == "" {
		return "", ""
	}
	if role, _ := c.SessionKind(); role {
		partition := sigv4.Partition(region)
		fits := func(pattern string) bool {
			return strings.Contains(pattern, "*") || sigv4.Partition(pattern) == partition
		}
		if slices.ContainsFunc(use.Regions, fits) {
			return "", ""
		}
		return fmt.Sprintf("the rule is for regions [%s], and the role of credential %q is in partition %s", strings.Join(use.Regions, ", "), use.Credential, partition),
			"write regions of that partition, or another credential"
	}
	if slices.Contains(use.Regions, region) || slices.ContainsFunc(use.Regions, func(pattern string) bool { return strings.Contains(pattern, "*") }) {
		return "", ""
	}
	return fmt.Sprintf("the rule is for regions [%s], and credential %q signs for %s alone", strings.Join(use.Regions, ", "), use.Credential, region),
		"write regions: [" + region + "], or leave regions out"
}
