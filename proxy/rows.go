package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
)

// fillIntent writes what is known of the exchange into its intent.
func (x *exchange) fillIntent() {
	in := &x.intent
	in.ID, in.StartedAt = x.id, x.started
	in.Who = x.generation.who(x.caller.peer.Agent, x.record)
	if x.policy != nil {
		in.PolicyHash = x.policy.Hash()
	}
	if x.decided {
		in.Rule, in.Decision = x.decision.Rule, x.decision.Effect.String()
	}
	in.Method, in.Scheme, in.Path = x.r.Method, x.target.scheme, x.target.rawPath
	if x.target.authority.Port != 0 {
		in.Host, in.Port = x.target.authority.Name.String(), x.target.authority.Port
	}
	if x.injection != nil {
		in.Credential, in.CredentialFingerprint = x.credential, x.injection.Fingerprint()
	} else {
		in.Credential = x.credential
	}
	in.CertSerial, in.ClientAddr, in.HTTPVersion = x.caller.peer.Serial, x.session.Client, httpVersion(x.r)
	if x.decision.Effect == policy.Allow && x.decision.AgentAuth {
		x.detail("agent_auth", "pass")
	}
	if x.decision.Effect == policy.Allow && x.decision.Cookies && len(x.r.Header["Cookie"]) > 0 {
		x.detail("cookies", "pass")
	}
	x.describe()
	for key, value := range x.injection.Details() {
		x.detail(key, value)
	}
	x.recordRequest()
	in.Details = x.details
}

func (x *exchange) detail(key string, value any) {
	if x.details == nil {
		x.details = map[string]any{}
	}
	x.details[key] = value
}

func httpVersion(r *http.Request) string {
	switch {
	case r.ProtoMajor == 2:
		return "2"
	case r.ProtoMinor == 0:
		return "1.0"
	}
	return "1.1"
}

// refuse records a refusal and answers with it. Both events are one commit:
// nothing has left.
func (x *exchange) refuse(f *refusal) {
	if limit, ok := x.details["limit"].(string); ok && f.word == overLimit.word {
		x.agent.meets(limit, x.started)
	}
	if x.agent.sums(f, x.started, func(limit string) { x.detail("limit", limit) }) {
		own, id := x.agent.summarise(x.id, x.started, func() audit.Intent {
			x.fillIntent()
			return x.intent
		})
		if !own {
			x.p.metrics.Exchange("", audit.OutcomeRefused, time.Since(x.started))
			x.write(f, id)
			return
		}
	}
	x.fillIntent()
	x.intent.Refusal = f.word
	x.outcome = refusedOutcome(f, x.p.now())
	x.outcome.Timings.Total = x.sinceStart()
	x.agent.wrote(x.started, rowWeight(&x.intent, &x.outcome), true)
	// The row does not depend on the agent waiting for it.
	if err := x.p.trail.Refused(context.WithoutCancel(x.flow.Context()), &x.intent, &x.outcome); err != nil {
		f = x.p.clerk.unrecorded(x.id, err)
	}
	x.p.metrics.Exchange(x.intent.Decision, audit.OutcomeRefused, time.Since(x.started))
	x.write(f, x.id)
}

func refusedOutcome(f *refusal, now time.Time) audit.Outcome {
	return audit.Outcome{EndedAt: now, Refusal: f.word, Status: f.status, Outcome: audit.OutcomeRefused, Error: f.errText()}
}

// answer answers with a refusal after the intent was committed, or after it
// could not be.
func (x *exchange) answer(f *refusal) {
	x.outcome.Refusal, x.outcome.Status, x.outcome.Error = f.word, f.status, f.errText()
	x.outcome.Outcome = audit.OutcomeRefused
	x.write(f, x.id)
}

// write sends a refusal. A body that nobody will read ends the connection, so
// that its bytes are never taken for the next request.
func (x *exchange) write(f *refusal, id uuid.UUID) {
	if x.visit == nil && x.target.authority.Port != 0 {
		x.find() // it may have been refused before anybody looked
	}
	if v, ok := x.visit.(services.Refuser); ok && v.Refuse(x.w, x.r, x.refusalFor(f, id.String())) {
		return
	}
	x.endConnection()
	f.write(x.w, x.r, id, x.generation.Services)
}

// endConnection ends a connection on which more of the body may come.
func (x *exchange) endConnection() {
	if x.flow.BodyOpen() {
		x.flow.CloseAfter()
		x.flow.GiveUpBody()
	}
}

// end records the outcome, whatever way out was taken. It does not wait.
func (x *exchange) end() {
	out := &x.outcome
	x.settle(context.Cause(x.flow.Context()))
	out.EndedAt = x.p.now()
	out.BytesSent, out.BytesReceived = x.flow.Sent(), x.flow.Received()
	out.Timings.Authorize, out.Timings.Credential = x.intent.AuthorizeMS, x.intent.CredentialMS
	out.Timings.Total = x.sinceStart()
	x.agent.wrote(x.started, outcomeWeight(out), false)
	x.p.trail.End(x.id, out)
	x.p.metrics.Exchange(x.intent.Decision, out.Outcome, time.Since(x.started))
}

// settle names what came of an exchange that was cut: why it was cut tells more
// than where it was noticed.
func (x *exchange) settle(cause error) {
	out := &x.outcome
	var cut *cutError
	switch {
	case out.Outcome == audit.OutcomeCompleted || out.Outcome == audit.OutcomeRejected || out.Outcome == audit.OutcomeRefused || cause == nil:
	case errors.As(cause, &cut):
		out.Outcome, out.Refusal, out.Error = audit.OutcomeRevoked, cut.refusal.word, cut.refusal.detail
	case errors.Is(cause, errStopping):
		out.Outcome, out.Error = audit.OutcomeInterrupted, errStopping.Error()
	case errors.Is(cause, errStalled):
		out.Outcome, out.Error = audit.OutcomeTimedOut, errStalled.Error()
	case out.Outcome == "" || out.Outcome == audit.OutcomeUpstreamFailed:
		out.Outcome = audit.OutcomeClientGone
	}
	if out.Outcome == "" { // a way out that forgot to say; never leave the row open
		out.Outcome = audit.OutcomeUpstreamFailed
	}
}
