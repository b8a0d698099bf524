package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/policy"
	"sallyport/services"
)

// supply is the credential that a request leaves with.
type supply struct {
	credential string                            // its name; "" for none
	injection  *credentials.Injection            // nil for none
	turn       *budget.Turn[credentials.Account] // nil if the credential counts against no account
	tookMS     float64                           // to get it
}

// tell says in the row with what the request leaves.
func (s *supply) tell(r *row) {
	r.intent.Credential, r.intent.CredentialMS = s.credential, s.tookMS
	if s.injection != nil {
		r.intent.CredentialFingerprint = s.injection.Fingerprint()
	}
	for key, value := range s.injection.Details() {
		r.detail(key, value)
	}
}

// clean takes the injected value out of an error's text. net/http quotes what it
// could not parse, and an upstream decides what that is.
func (s *supply) clean(err error) error { return credentials.CleanError(err, s.injection.Scrub) }

// inject puts the credential on the request: the only line where a secret meets one, and
// the last before the wire. A signature covers the body, which may be read here.
func (s *supply) inject(out *http.Request) error {
	if s.injection == nil {
		return nil
	}
	if err := s.injection.Apply(out); err != nil {
		return &injectError{s.credential, err}
	}
	return nil
}

// injectError is why a credential could not be applied.
type injectError struct {
	credential string
	err        error
}

func (e *injectError) Error() string { return e.err.Error() }

func (e *injectError) Unwrap() error { return e.err }

// retrieval is how the credential of one request is had.
type retrieval struct {
	p          *Proxy
	generation *Generation
	exchange   uuid.UUID
	sender     *sender
	agent      *agent
	decision   *decision
	target     *target
	visit      services.Visit
	r          *http.Request
	held       *held

	supply supply // what there is of it so far
}

// retrieve gets the credential that the rule names.
func (t *retrieval) retrieve(ctx context.Context) *refusal {
	if v, ok := t.visit.(services.Checker); ok {
		if detail, hint := v.Check(t.decision.Credential != ""); detail != "" {
			f := malformedRequest.because(detail)
			f.hint = hint
			return f
		}
	}
	if handle := placeholderIn(t.r); handle != "" {
		return t.redeem(handle)
	}
	name := t.decision.Credential
	t.supply.credential = name
	if name == "" {
		return nil
	}
	if t.target.scheme != "https" {
		return credentialUnavailable.because("No credential is ever applied in clear text.")
	}
	credential := t.generation.Credentials.Lookup(name)
	use, bare, refusal := t.use(credential)
	switch {
	case refusal != nil:
		return refusal
	case bare:
		t.supply.credential = ""
		return nil
	}
	start := time.Now()
	injection, err := credential.Retrieve(ctx, use)
	t.supply.tookMS = milliseconds(time.Since(start))
	if err != nil {
		return t.failed(err)
	}
	t.supply.injection = injection
	return nil
}

// redeem puts what is kept in the place of its placeholder, at the address that it was
// given for and nowhere else.
func (t *retrieval) redeem(handle string) *refusal {
	k := t.agent.keeps(handle)
	to := t.target
	switch {
	case k == nil || !t.p.now().Before(k.until):
		return credentialUnavailable.because("What this placeholder stands for is not kept any more; ask again for what it came with.")
	case to.scheme != "https" || to.authority != k.to || k.target != "" && to.requestTarget() != k.target:
		return credentialUnavailable.because("What this placeholder stands for was given for another address.")
	}
	t.supply.injection, t.supply.credential = k.injection, k.injection.Name()
	return nil
}

// use says what the credential is needed for: this request and no more. bare: it goes to what
// takes none.
func (t *retrieval) use(c *credentials.Credential) (use credentials.Use, bare bool, _ *refusal) {
	use = credentials.Use{Agent: t.agent.key, Request: t.r, Memory: t.held.forSigning(c)}
	narrower := t.generation.narrower(c.Kind())
	if narrower == nil {
		return use, false, nil
	}
	bare, err := narrower.Narrow(&services.Need{
		Kind: c.Kind(), Credential: t.supply.credential, Policy: t.decision.policy, Decision: &t.decision.Decision, Owner: t.sender.record.Owner, Use: &use,
		Errands: func() (mint, cleanup http.RoundTripper) {
			e := t.errand()
			return e, unbound{e}
		},
		Admit: t.admit,
	}, t.visit)
	if denied, ok := errors.AsType[*services.Denied](err); ok {
		refusal := deniedByPolicy.because(denied.Detail)
		refusal.rule = t.decision.Rule
		return use, false, refusal
	}
	if err != nil {
		return use, false, credentialUnavailable.causedBy("The credential "+t.supply.credential+" cannot be had.", err)
	}
	return use, bare, nil
}

// errand is one for the exchange's credential. What it mints, only an active agent gets.
func (t *retrieval) errand() *errand {
	e := t.p.errands.errand(t.generation, t.supply.credential)
	in := &e.intent
	in.Who = t.generation.who(t.agent.id, t.sender.record, t.p.now())
	if t.decision.policy != nil {
		in.PolicyHash = t.decision.policy.Hash()
	}
	in.Rule, in.Decision = t.decision.Rule, policy.Allow.String()
	in.CertSerial = t.sender.peer.Serial
	in.Details = map[string]any{"for": t.exchange.String()}
	e.bound, e.agent = true, t.agent
	return e
}

// admit takes one request from the account that the credential's token counts against.
func (t *retrieval) admit(account credentials.Account) error {
	t.supply.turn.Done() // of a retrieval before, if there was one
	ask := budget.Ask{Agent: t.agent.key, Resource: "core"}
	if v, ok := t.visit.(services.Budgeter); ok {
		ask = v.Ask(t.agent.key)
	}
	turn, limit, after := t.p.budgets.Admit(account, ask)
	if turn == nil {
		return &budgetError{account, limit, after}
	}
	t.supply.turn = turn
	return nil
}

// failed says why there is no credential.
func (t *retrieval) failed(err error) *refusal {
	if _, refusal := t.p.mayAct(t.sender.peer); refusal != nil {
		return refusal // revoked meanwhile, for which nothing is minted
	}
	name := t.supply.credential
	var later interface{ RetryAfter() time.Duration }
	if limited, ok := errors.AsType[*credentials.LimitedError](err); ok {
		t.supply.turn.Answered(budget.Answer{Backoff: limited.After})
	}
	switch {
	case errors.Is(err, errUnrecorded):
		return t.p.clerk.unrecorded(t.exchange, err)
	case unsigned(err) != nil:
		return unsigned(err)
	case errors.As(err, &later):
		refusal := serviceLimit.causedBy("The service that gives credential "+name+" asks to go slower.", err)
		if full, ok := errors.AsType[*budgetError](err); ok {
			refusal = t.overBudget(full)
		}
		refusal.retryAfter = max(time.Second, later.RetryAfter())
		return refusal
	}
	t.p.metrics.CredentialFailed(name)
	t.p.log.Warn("credential cannot be had", "credential", name, "exchange", t.exchange, "error", err)
	refusal := credentialUnavailable.causedBy("The credential "+name+" cannot be had.", err)
	_, refusal.lasts = errors.AsType[*credentials.UnsetError](err)
	if final, ok := errors.AsType[*credentials.RefusedError](err); ok {
		refusal = credentialRefused.causedBy(strings.TrimSpace("The credential "+name+" cannot be had. "+final.Reason), err)
	}
	return refusal
}

// overBudget says that an account has no room, and until when.
func (t *retrieval) overBudget(err *budgetError) *refusal {
	detail := "What is left of the limit " + err.limit + " is shared, and this agent has had its share for now."
	var details map[string]any
	if s, ok := t.generation.owner(t.generation.Credentials.Lookup(t.supply.credential).Kind()).(services.Limiter); ok {
		detail, details = s.Limited(err.account, err.limit)
	}
	refusal := serviceLimit.causedBy(detail, err)
	refusal.details = details
	return refusal
}
