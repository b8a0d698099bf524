package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/credentials/mint"
)

func (r *role) given() bool { return r.policy != "" || len(r.policies) > 0 }

// granted is one session. It is kept without the credential that it was minted for,
// because the files may change what that is bound to.
type granted struct {
	*secrets
	details map[string]any

	mu   sync.Mutex
	by   *role // that keys were made for
	keys *signingKeys
}

// ready returns the session's keys ready to sign for the role as the files have it now.
func (s *granted) ready(r *role) (*signingKeys, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == r {
		return s.keys, nil
	}
	keys, err := r.ready(s.id, s.secret(), s.token(), credentials.MintedTraits(s.token(), s.token(), s.secret()))
	if err != nil {
		return nil, err
	}
	s.by, s.keys = r, keys
	return keys, nil
}

// asking is for whom STS is asked, and by what.
type asking struct {
	agent   string
	purpose Purpose
	via     http.RoundTripper
	anew    bool // what is kept does not count: for a check
}

// Retrieve implements [credentials.Maker].
func (r *role) Retrieve(ctx context.Context, use credentials.Use) (*credentials.Injection, error) {
	in, err := r.claim(use)
	if err != nil {
		return nil, err
	}
	purpose, _ := use.For.(Purpose)
	document := purpose.Document
	if r.given() {
		document = r.policy
	} else if document == "" {
		return nil, errors.New("nothing bounds its session: the agent's policy has no aws: rule with this credential; write one, or give the credential a session_policy")
	}
	document, err = boundToAccounts(document, r.accounts)
	if err != nil {
		return nil, err
	}
	s, err := r.session(ctx, asking{agent: use.Agent, purpose: purpose, via: use.Transport}, document)
	if err != nil {
		return nil, err
	}
	keys, err := s.ready(r)
	if err != nil {
		return nil, err
	}
	return r.injection(keys, in, s.details), nil
}

var errNoServer = errors.New("sessions are minted by a running server only; start one, and try again")

// session returns a session for the agent, minted or kept.
func (r *role) session(ctx context.Context, a asking, document string) (*granted, error) {
	if a.via == nil {
		return nil, errNoServer
	}
	request := r.request(a, document)
	if a.anew {
		return r.mint(ctx, a, request)
	}
	key := sessionKey{a.agent, r.shape(request, a.purpose.PolicyHash)}
	return r.store.sessions.Get(ctx, key, func(ctx context.Context) (mint.Minted[*granted], error) {
		s, err := r.mint(ctx, a, request)
		if err != nil {
			return mint.Minted[*granted]{}, err
		}
		return mint.Minted[*granted]{Value: s, Expires: s.expires}, nil
	})
}

// SourcePrefix begins the source identity of an agent's session, and the agent's UUID follows.
const SourcePrefix = "agent-"

// request says what to ask STS for. Tags that carry over to further sessions are set by
// the first of a chain, and must not be set again.
func (r *role) request(a asking, document string) roleRequest {
	request := roleRequest{
		arn: r.arn, name: a.agent, sourceIdentity: SourcePrefix + a.agent,
		duration: r.duration, policy: document, policyARNs: r.policies,
	}
	if r.baseRole() == nil {
		request.tags = []roleTag{{"agent", a.agent, true}, {"owner", a.purpose.Owner, true}}
	}
	request.tags = append(request.tags, roleTag{"policy", a.purpose.Policy, false})
	request.tags = slices.DeleteFunc(request.tags, func(t roleTag) bool { return t.value == "" })
	return request
}

// shape names everything that shapes a session.
func (r *role) shape(request roleRequest, policyHash string) [sha256.Size]byte {
	all := fmt.Appendf(nil, "%q %q %q %q %v", r.region, request.policy, request.policyARNs, policyHash, request.tags)
	for one := r; one != nil; one = one.baseRole() {
		all = fmt.Appendf(all, "\n%q %q %v %v %q", one.arn, one.endpoint, one.duration, one.metadata, one.base.Name())
	}
	return sha256.Sum256(all)
}

// mint asks STS for a session.
func (r *role) mint(ctx context.Context, a asking, request roleRequest) (*granted, error) {
	base, err := r.baseKeys(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	if base.token() != "" {
		request.duration = min(request.duration, chainedDuration)
	}
	answer, err := assumeRole(ctx, stsClient(base, r.endpoint, r.region, a.via), base, request)
	if err != nil {
		return nil, fmt.Errorf("assume role %s: %w", r.arn, err)
	}
	// Its clock may differ from ours, and no session lives longer than was asked.
	if latest := r.store.now().Add(request.duration); latest.Before(answer.expires) {
		answer.expires = latest
	}
	details := map[string]any{"role_arn": r.arn, audit.DetailSession: request.name, audit.DetailSource: request.sourceIdentity}
	if answer.packed != nil {
		details["packed_policy_size"] = int64(*answer.packed)
	}
	return &granted{secrets: answer.secrets, details: details}, nil
}

// baseKeys are what STS is asked with.
func (r *role) baseKeys(ctx context.Context, a asking) (*secrets, error) {
	switch {
	case r.base == nil && a.anew:
		return defaultChain(ctx, r.region, r.metadata, a.via)
	case r.base == nil:
		return r.store.chain(ctx, chainKey{r.region, r.metadata}, a.via)
	}
	if keys, ok := r.base.Maker().(*fixed); ok {
		return keys.raw(ctx)
	}
	// The first session of a chain may do one thing: ask for the next.
	s, err := r.baseRole().session(ctx, a, iamDocument("Allow", `"sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"`, r.arn))
	if err != nil {
		return nil, err
	}
	return s.secrets, nil
}

// Check implements [credentials.Maker]: it mints a session that may do nothing.
func (r *role) Check(ctx context.Context, via http.RoundTripper) (*credentials.Injection, error) {
	if via == nil {
		return nil, errNoServer
	}
	const who = "check"
	a := asking{agent: who, purpose: Purpose{Owner: who, Policy: who}, via: via, anew: true}
	request := r.request(a, iamDocument("Deny", `"*"`, "*"))
	request.name = "sallyport-check"
	s, err := r.mint(ctx, a, request)
	if err != nil {
		return nil, err
	}
	keys, err := s.ready(r)
	if err != nil {
		return nil, err
	}
	return r.credential.Assemble(credentials.Parts{Traits: keys.traits, Details: s.details}), nil
}

// iamDocument is a policy of one statement. No word in it needs escaping.
func iamDocument(effect, actions, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":[` + actions + `],"Resource":"` + resource + `"}]}`
}
