package credentials

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"sallyport/credentials/mint"
)

// Session says of an agent what its session is tagged with and may do.
type Session struct {
	Owner      string // "person:dana"
	Policy     string // its name
	PolicyHash string // so that a changed policy is another session
	Document   string // an IAM policy that says what the agent's rules do; "" if none can
}

// SessionKind reports of a credential whether its sessions are bounded by the agent's
// own rules; given says that the credential says itself what bounds them.
func (c *Credential) SessionKind() (role, given bool) {
	if c == nil {
		return false, false
	}
	r, ok := c.maker.(*awsRole)
	return ok, ok && r.given()
}

func (r *awsRole) given() bool { return r.policy != "" || len(r.policies) > 0 }

// Region returns the region of a credential for AWS, "" for another.
func (c *Credential) Region() string {
	if c == nil {
		return ""
	}
	switch m := c.maker.(type) {
	case *awsRole:
		return m.region
	case *awsKeys:
		return m.region
	}
	return ""
}

// sessionKey is all that a session depends on.
type sessionKey struct {
	agent string
	shape [sha256.Size]byte
}

// awsSession is one session. It is kept without the credential that it was minted for,
// because the files may change what that is bound to.
type awsSession struct {
	*awsSecrets
	details map[string]any

	mu   sync.Mutex
	by   *awsRole // that keys were made for
	keys *signingKeys
}

// signing returns the session's keys ready to sign for the role as the files have it now.
func (s *awsSession) signing(r *awsRole) (*signingKeys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == r {
		return s.keys, nil
	}
	keys, err := r.signWith(s.id, s.secret(), s.token())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(s.token()))
	keys.fingerprint = hex.EncodeToString(sum[:])
	s.by, s.keys = r, keys
	return keys, nil
}

func (r *awsRole) Retrieve(ctx context.Context, use Use) (*Injection, error) {
	in, err := r.claim(use)
	if err != nil {
		return nil, err
	}
	document := use.Session.Document
	if r.given() {
		document = r.policy
	} else if document == "" {
		return nil, errors.New("nothing bounds its session: the agent's policy has no aws: rule with this credential; write one, or give the credential a session_policy")
	}
	document, err = boundToAccounts(document, r.accounts)
	if err != nil {
		return nil, err
	}
	s, err := r.session(ctx, use, document)
	if err != nil {
		return nil, err
	}
	keys, err := s.signing(r)
	if err != nil {
		return nil, err
	}
	return r.injection(keys, in, s.details), nil
}

var errNoServer = errors.New("sessions are minted by a running server only; start one, and try again")

// session returns a session for the agent, minted or kept.
func (r *awsRole) session(ctx context.Context, use Use, document string) (*awsSession, error) {
	if use.Transport == nil {
		return nil, errNoServer
	}
	request := r.request(use, document)
	if use.anew {
		return r.mint(ctx, use, request)
	}
	key := sessionKey{use.Agent, r.shape(request, use.Session.PolicyHash)}
	return r.tokens.sessions.Get(ctx, key, func(ctx context.Context) (mint.Minted[*awsSession], error) {
		s, err := r.mint(ctx, use, request)
		if err != nil {
			return mint.Minted[*awsSession]{}, err
		}
		return mint.Minted[*awsSession]{Value: s, Expires: s.expires}, nil
	})
}

// request says what to ask STS for. Tags that carry over to further sessions are set by
// the first of a chain, and must not be set again.
func (r *awsRole) request(use Use, document string) roleRequest {
	request := roleRequest{
		arn: r.arn, name: use.Agent, sourceIdentity: "agent-" + use.Agent,
		duration: r.duration, policy: document, policyARNs: r.policies,
	}
	if r.baseRole() == nil {
		request.tags = []roleTag{{"agent", use.Agent, true}, {"owner", use.Session.Owner, true}}
	}
	request.tags = append(request.tags, roleTag{"policy", use.Session.Policy, false})
	request.tags = slices.DeleteFunc(request.tags, func(t roleTag) bool { return t.value == "" })
	return request
}

// shape names everything that shapes a session.
func (r *awsRole) shape(request roleRequest, policyHash string) [sha256.Size]byte {
	all := fmt.Appendf(nil, "%q %q %q %q %v", r.region, request.policy, request.policyARNs, policyHash, request.tags)
	for role := r; role != nil; role = role.baseRole() {
		all = fmt.Appendf(all, "\n%q %q %v %v %q", role.arn, role.endpoint, role.duration, role.metadata, role.base.Name())
	}
	return sha256.Sum256(all)
}

// mint asks STS for a session.
func (r *awsRole) mint(ctx context.Context, use Use, request roleRequest) (*awsSession, error) {
	base, err := r.baseKeys(ctx, use)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	if base.token() != "" {
		request.duration = min(request.duration, chainedDuration)
	}
	answer, err := assumeRole(ctx, stsClient(base, r.endpoint, r.region, use.Transport), base, request)
	if err != nil {
		return nil, fmt.Errorf("assume role %s: %w", r.arn, err)
	}
	// Its clock may differ from ours, and no session lives longer than was asked.
	if latest := r.tokens.now().Add(request.duration); latest.Before(answer.expires) {
		answer.expires = latest
	}
	details := map[string]any{"role_arn": r.arn, "session_name": request.name, "source_identity": request.sourceIdentity}
	if answer.packed != nil {
		details["packed_policy_size"] = int64(*answer.packed)
	}
	return &awsSession{awsSecrets: answer.awsSecrets, details: details}, nil
}

// baseKeys are what STS is asked with.
func (r *awsRole) baseKeys(ctx context.Context, use Use) (*awsSecrets, error) {
	if r.base == nil && use.anew {
		return defaultChain(ctx, r.region, r.metadata, use.Transport)
	}
	if r.base == nil {
		return r.tokens.chain(ctx, chainKey{r.region, r.metadata}, use.Transport)
	}
	if keys, ok := r.base.maker.(*awsKeys); ok {
		return keys.raw(ctx)
	}
	// The first session of a chain may do one thing: ask for the next.
	s, err := r.baseRole().session(ctx, use, iamDocument("Allow", `"sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"`, r.arn))
	if err != nil {
		return nil, err
	}
	return s.awsSecrets, nil
}

// check mints a session that may do nothing.
func (r *awsRole) Check(ctx context.Context, via http.RoundTripper) (*Injection, error) {
	if via == nil {
		return nil, errNoServer
	}
	const who = "check"
	use := Use{Agent: who, Transport: via, Session: Session{Owner: who, Policy: who}, anew: true}
	request := r.request(use, iamDocument("Deny", `"*"`, "*"))
	request.name = "sallyport-check"
	s, err := r.mint(ctx, use, request)
	if err != nil {
		return nil, err
	}
	keys, err := s.signing(r)
	if err != nil {
		return nil, err
	}
	return &Injection{name: r.name, fingerprint: keys.fingerprint, details: s.details}, nil
}

// iamDocument is a policy of one statement. No word in it needs escaping.
func iamDocument(effect, actions, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":[` + actions + `],"Resource":"` + resource + `"}]}`
}
