package session

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/services/aws/sigv4"
)

// signing is what the kinds have in common whose secret is never sent: with it the request
// is signed, in the place of the signature that the agent's placeholder keys made.
type signing struct {
	credential       *credentials.Credential // not embedded: what it does as one is not what its maker does
	store            *store
	options          sigv4.Options
	accounts         []string // whose buckets it is for; anybody's if none are listed
	accountsByPolicy bool     // the session policy says so too
	served           []Served // hosts that no table has
}

// claim reads the signature of the agent's request, and checks it against the host that
// the request goes to: before keys are obtained, and before anything is recorded as let
// out. The error is a [*sigv4.Refusal].
func (a *signing) claim(use credentials.Use) (*sigv4.Inbound, error) {
	if use.Request == nil {
		return nil, errors.New("it signs requests, and there is none")
	}
	in, err := sigv4.Read(use.Request)
	if err != nil {
		return nil, err
	}
	in.Holder, in.Memory = use.Agent, use.Memory
	if err := a.options.Accept(in, use.Request.Host); err != nil {
		return nil, err
	}
	return in, a.checkAccounts(in, use.Request)
}

// signingKeys are keys that are ready to sign. They are immutable.
type signingKeys struct {
	id     string
	signer *sigv4.Signer
	traits *credentials.Traits

	secret, token *credentials.Reading // what they were made of, for those that are read
}

// ready makes keys ready. token is empty for keys that are not a session's.
func (a *signing) ready(id, secret, token string, traits *credentials.Traits) (*signingKeys, error) {
	for _, one := range []string{secret, token} {
		if err := credentials.OneLine(one); err != nil {
			return nil, err
		}
	}
	signer, err := sigv4.NewSigner(sigv4.NewKeys(id, secret, token), a.options)
	if err != nil {
		return nil, err
	}
	return &signingKeys{id: id, signer: signer, traits: traits}, nil
}

// injection signs one request with the keys. The trail is told more, beside the region,
// the keys' id and how the body is signed.
func (a *signing) injection(keys *signingKeys, in *sigv4.Inbound, more map[string]any) *credentials.Injection {
	details := map[string]any{"region": in.Region, audit.DetailKey: keys.id, "payload_mode": in.Payload}
	maps.Copy(details, more)
	return a.credential.Assemble(credentials.Parts{
		Signature: &signature{signer: keys.signer, claim: in, clock: a.options.Clock, accounts: a.accounts},
		Traits:    keys.traits, Details: details,
	})
}

// Sent implements [credentials.Rewriter].
func (*signing) Sent(r *http.Request, path, query string) (sentPath, sentQuery string, err error) {
	in, err := sigv4.Read(r)
	if err != nil {
		return path, query, nil //nolint:nilerr // it will not be signed, and the agent is told why
	}
	return in.Sent(path, query)
}

// signature is what an injection puts on one request.
type signature struct {
	signer *sigv4.Signer
	claim  *sigv4.Inbound
	clock  *sigv4.Clock

	accounts []string
}

// Sign implements [credentials.Signature].
func (s *signature) Sign(r *http.Request) error {
	s.expectOwner(r)
	return s.signer.Resign(r, s.claim)
}

// Observe implements [credentials.Signature].
func (s *signature) Observe(request *http.Request, response *http.Response) (ahead time.Duration, learnt bool) {
	return s.clock.Learn(strings.ToLower(request.URL.Hostname()), response.StatusCode, response.Header)
}
