package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services/aws/sigv4"
)

// role is a role of AWS's: for each agent a session of its own is minted by
// AssumeRole, which names the agent in AWS's logs and may do no more than the agent's
// rules say.
type role struct {
	signing
	arn       string
	partition string
	region    string
	endpoint  string // of STS
	duration  time.Duration
	policy    string // given in place of the agent's rules
	policies  []string
	metadata  bool                    // the default chain may ask the metadata service
	base      *credentials.Credential // what STS is asked with; nil for the default chain
}

// Limits of STS ("IAM and AWS STS quotas" in the IAM User Guide).
const (
	MaxPolicy       = 2048 // characters of the session policy
	maxPolicyARNs   = 10
	minDuration     = 15 * time.Minute
	maxDuration     = 12 * time.Hour
	chainedDuration = time.Hour // of a session that is asked for with another one's keys
)

var (
	roleARN   = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	policyARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\w+=,.@/-]+$`)
)

func decodeRole(s *credentials.Section, c *credentials.Credential) {
	r := &role{signing: newSigning(s, c), duration: time.Hour}
	var ok bool
	if r.arn, ok = s.Text("role_arn", "arn:aws:iam::123456789012:role/agents"); ok {
		if m := roleARN.FindStringSubmatch(r.arn); m != nil {
			r.partition = m[1]
		} else {
			s.Wrong("role_arn", "is not the ARN of a role; write role_arn: arn:aws:iam::123456789012:role/agents")
		}
	}
	if r.region, ok = s.Text("region", "eu-west-1"); ok && !regionName.MatchString(r.region) {
		s.Wrong("region", "is not the name of a region; write region: eu-west-1")
	}
	c.Made(r, r.readHosts(s))
	r.options.Agree = r.agree
	r.readServices(s)
	r.readAccounts(s)
	r.accountsByPolicy = true
	r.readEndpoint(s)
	r.readPolicy(s)
	if s.Has("duration") {
		text, _ := s.Text("duration", "1h")
		var err error
		if r.duration, err = time.ParseDuration(text); err != nil || r.duration < minDuration || r.duration > maxDuration || r.duration%time.Second != 0 {
			s.Wrong("duration", "must be from 15m to 12h; write duration: 1h")
		}
	}
	if s.Has("metadata") {
		text, _ := s.Text("metadata", "true")
		if r.metadata = text == "true"; !r.metadata {
			s.Wrong("metadata", "the only value is true; leave the key out otherwise")
		}
	}
	if s.Has("base") {
		r.readBase(s)
	}
}

// readHosts are AWS's own domains in the role's partition, unless the file says to which
// hosts it is bound.
func (r *role) readHosts(s *credentials.Section) (hosts []host.Pattern) {
	if s.Has("hosts") {
		return s.Hosts()
	}
	for _, suffix := range sigv4.DomainsOf(r.partition) {
		for _, text := range []string{"*" + suffix, "*.neptune" + suffix + ":8182"} { // Neptune is on a port of its own
			if p, err := host.ParsePattern(text); err == nil {
				hosts = append(hosts, p)
			}
		}
	}
	return hosts
}

// agree is the table of hosts: AWS's own for AWS's hosts, in the role's partition. What
// else the role is bound to is a store that speaks S3.
func (r *role) agree(name, service, region string) error {
	agreed, err := r.agreeServed(name, service, region)
	switch {
	case sigv4.AWS(name, service, region) == nil: // what the table has goes before what the file says
	case err != nil:
		return err
	case !agreed && !sigv4.IsAWS(name):
		return agreeStore(name, service)
	}
	if partition := sigv4.Partition(region); partition != r.partition {
		return &sigv4.Refusal{Reason: sigv4.HostMismatch, Detail: fmt.Sprintf("the request is signed for region %s in partition %s, but credential %s is of partition %s; use one of its regions", region, partition, r.credential.Name(), r.partition)}
	}
	if agreed {
		return nil
	}
	return sigv4.AWS(name, service, region)
}

// readEndpoint finds the regional endpoint of STS, unless the file names another.
func (r *role) readEndpoint(s *credentials.Section) {
	if s.Has("sts_endpoint") {
		text, _ := s.Text("sts_endpoint", "https://sts.eu-west-1.amazonaws.com")
		authority, ok := strings.CutPrefix(strings.TrimSuffix(text, "/"), "https://")
		if _, err := host.ParseAuthority(authority, 443); !ok || err != nil {
			s.Wrong("sts_endpoint", "must be the address of an STS over https, without a path; write sts_endpoint: https://sts.eu-west-1.amazonaws.com")
		}
		r.endpoint = "https://" + authority
		return
	}
	name, known := sigv4.EndpointOf(r.partition, "sts", r.region)
	r.endpoint = "https://" + name
	switch {
	case r.partition == "" || r.region == "":
	case !known:
		s.Wrong("role_arn", "partition %s is not known here; give sts_endpoint", r.partition)
	case sigv4.Partition(r.region) != r.partition:
		s.Wrong("region", "%s is a region of partition %s, and the role is of %s; write one of the role's", r.region, sigv4.Partition(r.region), r.partition)
	}
}

// readPolicy reads what bounds the sessions in place of the agents' rules.
func (r *role) readPolicy(s *credentials.Section) {
	if s.Has("policy_arns") {
		for _, item := range s.Texts("policy_arns", "[arn:aws:iam::aws:policy/ReadOnlyAccess]") {
			if !policyARN.MatchString(item.Text) {
				s.WrongAt(item, "policy_arns", "is not the ARN of a managed policy; write policy_arns: [arn:aws:iam::aws:policy/ReadOnlyAccess]")
			}
			r.policies = append(r.policies, item.Text)
		}
		if len(r.policies) > maxPolicyARNs {
			s.Wrong("policy_arns", "there are %d; STS takes %d at most", len(r.policies), maxPolicyARNs)
		}
	}
	if !s.Has("session_policy") {
		return
	}
	text, _ := s.Text("session_policy", `'{"Version": "2012-10-17", "Statement": [...]}'`)
	var document struct {
		Version   string
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil || document.Version == "" || len(document.Statement) == 0 {
		s.Wrong("session_policy", `must be an IAM policy in JSON, with Version and Statement; write it as a text in quotes, or after "session_policy: |"`)
		return
	}
	r.policy = compactJSON(text)
	if bound, err := boundToAccounts(r.policy, r.accounts); err != nil || len(bound) > MaxPolicy {
		s.Wrong("session_policy", "has %d characters without white space and with accounts, and STS takes %d; shorten it, or give policy_arns", len(bound), MaxPolicy)
	}
}

func compactJSON(text string) string {
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(text)) != nil {
		return text
	}
	return compact.String()
}

// readBase finds the credential that STS is asked with, once all are read.
func (r *role) readBase(s *credentials.Section) {
	name, ok := s.Text("base", "acme-keys")
	if !ok {
		return
	}
	s.Later(func(all map[string]*credentials.Credential) {
		r.base = all[name]
		if r.metadata {
			s.Wrong("metadata", "is for the default chain, and the credential has a base; remove one of them")
		}
		switch r.base.Kind() {
		case Keys:
		case Role:
			if r.duration > chainedDuration {
				s.Wrong("duration", "a session that is asked for with another role's session lives 1h at most; write duration: 1h")
			}
			if r.chains(map[*role]bool{}) {
				s.Wrong("base", "leads back to this credential; remove it from one of them")
				r.base = nil
			}
		default:
			s.Wrong("base", "%s is not a credential of kind aws_keys or aws_role; name one, or leave base out for AWS's default chain", s.Shown(name))
			r.base = nil
		}
	})
}

// chains reports whether following the bases comes back to a role.
func (r *role) chains(seen map[*role]bool) bool {
	for ; r != nil; r = r.baseRole() {
		if seen[r] {
			return true
		}
		seen[r] = true
	}
	return false
}

// Base implements [credentials.Chained].
func (r *role) Base() *credentials.Credential { return r.base }

// Region implements [credentials.Regional].
func (r *role) Region() string { return r.region }

func (r *role) baseRole() *role {
	if r.base == nil {
		return nil
	}
	first, _ := r.base.Maker().(*role)
	return first
}
