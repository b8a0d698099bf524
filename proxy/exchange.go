package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/credentials/budget"
	"sallyport/identity"
	"sallyport/internal/share"
	"sallyport/policy"
	"sallyport/proxy/wire"
	"sallyport/services"
)

// ServeHTTP carries one request of an agent to its answer. Plain requests come
// from the listener, intercepted ones out of a tunnel; both are alike here.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := p.open(w, r)
	defer x.close()
	if p.wire.Easing() && r.Header.Get("Upgrade") == "" {
		x.flow.CloseAfter() // the agent's next request goes to the process that accepts now
	}
	if refusal := x.authorize(); refusal != nil {
		x.refuse(refusal)
		return
	}
	// No row, no request: the intent is committed before anything leaves, be it
	// only a question to a name server.
	if refusal := x.begin(); refusal != nil {
		x.answer(refusal)
		return
	}
	// Deferred, because forward panics to break off an answer that is cut short.
	defer x.end()
	if refusal := x.recordBeside(); refusal != nil {
		x.answer(refusal)
		return
	}
	if refusal := x.confirm(); refusal != nil {
		x.answer(refusal)
		return
	}
	x.forward()
}

// exchange is one request and its answer.
type exchange struct {
	p       *Proxy
	w       http.ResponseWriter
	r       *http.Request
	session *wire.Session
	caller  *caller    // of the session
	flow    *wire.Flow // its bytes; who cuts the exchange cuts this

	id         uuid.UUID
	started    time.Time
	generation *Generation
	framing    wire.Framing
	agent      *agent
	record     identity.Agent // as it was when the exchange began
	target     target
	line       services.Line
	visit      services.Visit // nil if the request goes to no service that is known
	meaning    policy.Meaning
	classified bool     // meaning says what the request does, or why that is not known
	unread     *refusal // why its body was not read, or not to its end
	lease      *share.Lease
	policy     *policy.Policy
	decision   policy.Decision
	decided    bool
	credential string
	injection  *credentials.Injection
	turn       *budget.Turn[credentials.Account] // nil if the credential counts against no account
	watch      services.Watch                    // what looks at the answer as it passes; nil for nothing
	details    map[string]any

	intent  audit.Intent
	outcome audit.Outcome

	confirmed atomic.Bool // what decide has found is final; others may read it
}

// The causes with which an exchange is cut.
var (
	errStopping = errors.New("sallyport is stopping")
	errStalled  = errors.New("no byte moved for too long")
)

// cutError cuts an exchange because its agent may no longer do it.
type cutError struct{ refusal *refusal }

func (e *cutError) Error() string { return e.refusal.detail }

// open registers the exchange with its agent. What cuts an agent marks it first
// and then looks for its exchanges, and an exchange registers first and then
// reads the mark, so that none slips through.
func (p *Proxy) open(w http.ResponseWriter, r *http.Request) *exchange {
	s := wire.SessionOf(r)
	x := &exchange{
		p: p, w: w, r: r, session: s, caller: callerOf(s), flow: wire.NewFlow(w, r),
		id: audit.NewID(), started: p.now(), generation: p.generation(),
	}
	x.framing = s.Framing(r)
	x.agent = p.agents.get(x.caller.peer.Agent)
	x.agent.exchanges[x] = struct{}{}
	x.agent.bounds.follow(x.generation.Limits)
	x.agent.mu.Unlock()
	return x
}

func (x *exchange) close() {
	x.flow.Close()
	x.turn.Done()
	if x.lease != nil {
		x.lease.End()
	}
	x.agent.mu.Lock()
	delete(x.agent.exchanges, x)
	x.agent.used = x.p.now()
	x.agent.mu.Unlock()
}

// authorize asks who, how much, where, whether and with what, and stops at the
// first no. The target is read before anything else, because every row names it,
// and counts against the limits even when it is malformed, because a refusal
// costs a row too.
func (x *exchange) authorize() *refusal {
	defer func() { x.intent.AuthorizeMS = x.sinceStart() - x.intent.CredentialMS }()
	malformed := x.locate()
	if refusal := x.identify(); refusal != nil {
		return refusal
	}
	if refusal := x.admit(malformed == nil); refusal != nil {
		return refusal
	}
	if malformed != nil {
		return malformed
	}
	if refusal := x.classify(); refusal != nil {
		return refusal
	}
	if refusal := x.decide(); refusal != nil {
		return refusal
	}
	return x.retrieve()
}

// identify looks the agent up, on every request: a tunnel outlives a suspension.
func (x *exchange) identify() (refusal *refusal) {
	x.record, refusal = x.p.mayAct(x.caller.peer)
	return refusal
}

// admit takes the request, and the host if there is one, from the agent's limits.
func (x *exchange) admit(located bool) *refusal {
	x.agent.mu.Lock()
	limit, retryAfter := x.agent.bounds.admit(len(x.agent.exchanges), x.started)
	if limit == "" && located {
		limit, retryAfter = x.agent.bounds.meet(x.target.authority.Name.String(), x.started)
	}
	x.agent.mu.Unlock()
	if limit == "" {
		return nil
	}
	refusal := exceeded(limit, retryAfter)
	x.details = map[string]any{"limit": limit}
	return refusal
}

// decide asks the agent's policy.
func (x *exchange) decide() *refusal {
	x.decision = x.judge(x.generation)
	x.decided = true
	var refusal *refusal
	switch x.decision.Effect {
	case policy.Allow:
		return nil
	case policy.Ask:
		refusal = needsApproval.because(x.decision.Reason)
	default:
		refusal = deniedByPolicy.because(x.decision.Reason)
	}
	refusal.rule = x.decision.Rule
	return refusal
}

// retrieve gets the credential that the rule names.
func (x *exchange) retrieve() *refusal {
	if v, ok := x.visit.(services.Checker); ok {
		if detail, hint := v.Check(x.decision.Credential != ""); detail != "" {
			f := malformedRequest.because(detail)
			f.hint = hint
			return f
		}
	}
	if handle := x.placeholder(); handle != "" {
		return x.redeem(handle)
	}
	x.credential = x.decision.Credential
	if x.credential == "" {
		return nil
	}
	if x.target.scheme != "https" {
		return credentialUnavailable.because("No credential is ever applied in clear text.")
	}
	credential := x.generation.Credentials.Lookup(x.credential)
	use, bare, refusal := x.use(credential)
	switch {
	case refusal != nil:
		return refusal
	case bare:
		x.credential = ""
		return nil
	}
	start := time.Now()
	injection, err := credential.Retrieve(x.flow.Context(), use)
	x.intent.CredentialMS = milliseconds(time.Since(start))
	if err != nil {
		return x.notRetrieved(err)
	}
	x.injection = injection
	return nil
}

// use says what the credential is needed for: this request and no more. bare: it goes to what
// takes none.
func (x *exchange) use(c *credentials.Credential) (use credentials.Use, bare bool, _ *refusal) {
	use = credentials.Use{Agent: x.agent.key, Request: x.r, Memory: x.memoryFor(c)}
	narrower := x.generation.narrower(c.Kind())
	if narrower == nil {
		return use, false, nil
	}
	bare, err := narrower.Narrow(&services.Need{
		Kind: c.Kind(), Credential: x.credential, Policy: x.policy, Decision: &x.decision, Owner: x.record.Owner, Use: &use,
		Errands: func() (mint, cleanup http.RoundTripper) {
			e := x.errand()
			return e, unbound{e}
		},
		Admit: x.admitTo,
	}, x.visit)
	if denied, ok := errors.AsType[*services.Denied](err); ok {
		refusal := deniedByPolicy.because(denied.Detail)
		refusal.rule = x.decision.Rule
		return use, false, refusal
	}
	if err != nil {
		return use, false, credentialUnavailable.causedBy("The credential "+x.credential+" cannot be had.", err)
	}
	return use, bare, nil
}

// notRetrieved says why there is no credential.
func (x *exchange) notRetrieved(err error) *refusal {
	if refusal := x.identify(); refusal != nil {
		return refusal // revoked meanwhile, for which nothing is minted
	}
	var later interface{ RetryAfter() time.Duration }
	if limited, ok := errors.AsType[*credentials.LimitedError](err); ok {
		x.turn.Answered(budget.Answer{Backoff: limited.After})
	}
	switch {
	case errors.Is(err, errUnrecorded):
		return x.p.clerk.unrecorded(x.id, err)
	case unsigned(err) != nil:
		return unsigned(err)
	case errors.As(err, &later):
		refusal := serviceLimit.causedBy("The service that gives credential "+x.credential+" asks to go slower.", err)
		if full, ok := errors.AsType[*budgetError](err); ok {
			refusal = x.overBudget(full)
		}
		refusal.retryAfter = max(time.Second, later.RetryAfter())
		return refusal
	}
	x.p.metrics.CredentialFailed(x.credential)
	x.p.log.Warn("credential cannot be had", "credential", x.credential, "exchange", x.id, "error", err)
	refusal := credentialUnavailable.causedBy("The credential "+x.credential+" cannot be had.", err)
	if final, ok := errors.AsType[*credentials.RefusedError](err); ok {
		refusal = credentialRefused.causedBy(strings.TrimSpace("The credential "+x.credential+" cannot be had. "+final.Reason), err)
	}
	return refusal
}

// begin commits the intent.
func (x *exchange) begin() *refusal {
	start := time.Now()
	x.fillIntent()
	x.agent.wrote(x.started, rowWeight(&x.intent, nil), false)
	err := x.p.trail.Begin(context.WithoutCancel(x.flow.Context()), &x.intent)
	x.outcome.Timings.Audit = milliseconds(time.Since(start))
	if err != nil {
		x.p.metrics.Exchange(x.intent.Decision, audit.OutcomeRefused, time.Since(x.started))
		return x.p.clerk.unrecorded(x.id, err)
	}
	return nil
}

// confirm looks at status and configuration once more, after the intent and
// before the first byte: what has changed since the decision counts.
func (x *exchange) confirm() *refusal {
	x.confirmed.Store(true) // before the newest generation is read, so that Recheck finds the exchange or it finds the reload
	if _, refusal := x.p.mayAct(x.caller.peer); refusal != nil {
		return refusal
	}
	newest := x.p.generation()
	if newest == x.generation || x.allowedBy(newest) {
		return nil
	}
	return deniedByPolicy.because("The configuration has changed and no longer allows this request.")
}

// allowedBy reports whether another generation lets the exchange go on as it is:
// the same credential, by a rule that still allows it.
func (x *exchange) allowedBy(g *Generation) bool {
	decision := x.judge(g)
	return decision.Effect == policy.Allow && decision.Credential == x.decision.Credential && decision.Scope.Equal(x.decision.Scope)
}

func (x *exchange) sinceStart() float64 { return milliseconds(time.Since(x.started)) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
