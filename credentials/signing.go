package credentials

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"sallyport/credentials/sigv4"
)

// aws is what the kinds have in common whose secret is never sent: with it the request
// is signed, in the place of the signature that the agent's placeholder keys made.
type aws struct {
	*Credential
	options          sigv4.Options
	accounts         []string // whose buckets it is for; anybody's if none are listed
	accountsByPolicy bool     // the session policy says so too
}

func (s *Section) aws(c *Credential) aws {
	return aws{Credential: c, options: sigv4.Options{Clock: &sigv4.Clock{Now: s.options.Now}, Spool: s.options.Tokens.spool}}
}

// claim reads the signature of the agent's request, and checks it against the host that
// the request goes to: before keys are obtained, and before anything is recorded as let
// out. The error is a [*sigv4.Refusal].
func (a *aws) claim(use Use) (*sigv4.Inbound, error) {
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
	id          string
	signer      *sigv4.Signer
	scrubber    func() *scrubber
	fingerprint string

	secret, token *reading // what they were made of, for those that are read
}

// signWith makes keys ready. token is empty for keys that are not a session's.
func (a *aws) signWith(id, secret, token string) (*signingKeys, error) {
	if !validValue(secret) || !validValue(token) {
		return nil, errSeveralLines
	}
	signer, err := sigv4.NewSigner(sigv4.NewKeys(id, secret, token), a.options)
	if err != nil {
		return nil, err
	}
	needles := newScrubber(secret, secret)
	needles.also(token)
	return &signingKeys{id: id, signer: signer, scrubber: func() *scrubber { return needles }, fingerprint: a.fingerprint(secret)}, nil
}

// injection signs one request with the keys. The trail is told more, beside the region,
// the keys' id and how the body is signed.
func (a *aws) injection(keys *signingKeys, in *sigv4.Inbound, more map[string]any) *Injection {
	details := map[string]any{"region": in.Region, "access_key_id": keys.id, "payload_mode": in.Payload}
	maps.Copy(details, more)
	return &Injection{
		name: a.name, hosts: a.hosts, details: details, scrubber: keys.scrubber, fingerprint: keys.fingerprint,
		signature: &signature{signer: keys.signer, claim: in, clock: a.options.Clock, accounts: a.accounts},
	}
}

// signature is what an injection puts on a request whose secret is never sent.
type signature struct {
	signer *sigv4.Signer
	claim  *sigv4.Inbound
	clock  *sigv4.Clock

	accounts []string
}

// Signs reports whether the injection signs the request as a whole, body included.
func (i *Injection) Signs() bool { return i != nil && i.signature != nil }

// Unsignable is why a request cannot be signed as it is, which is for its sender to mend.
type Unsignable struct {
	Detail  string // a sentence without its full stop
	Busy    bool   // there is no room for its body now
	Foreign bool   // it is about what the credential is not for
}

// AsUnsignable finds out whether an error says that a request cannot be signed.
func AsUnsignable(err error) (Unsignable, bool) {
	refused, ok := errors.AsType[*sigv4.Refusal](err)
	if !ok {
		return Unsignable{}, false
	}
	return Unsignable{Detail: refused.Detail, Busy: refused.Reason == sigv4.Busy, Foreign: refused.Reason == sigv4.AccountMismatch}, true
}

// Signs reports whether the credential signs requests as a whole.
func (c *Credential) Signs() bool { return c != nil && c.signs }

// Sent returns path and query in the form in which r leaves with the credential, for a request
// that came with these. They are as they came for a credential that does not sign, and for a
// request that cannot be signed.
func (c *Credential) Sent(r *http.Request, path, query string) (sentPath, sentQuery string, err error) {
	if !c.Signs() {
		return path, query, nil
	}
	in, err := sigv4.Read(r)
	if err != nil {
		return path, query, nil //nolint:nilerr // it will not be signed, and the agent is told why
	}
	return in.Sent(path, query)
}

// Observe takes from an answer what the next request needs: the server's clock, if that
// is why a signature was refused. It returns by how much that is ahead of ours, if this
// is news.
func (i *Injection) Observe(request *http.Request, response *http.Response) (ahead time.Duration, learnt bool) {
	if !i.Signs() {
		return 0, false
	}
	return i.signature.clock.Learn(strings.ToLower(request.URL.Hostname()), response.StatusCode, response.Header)
}
