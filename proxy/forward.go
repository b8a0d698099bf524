package proxy

import (
	"context"
	"errors"
	"net/http"

	"sallyport/audit"
	"sallyport/proxy/upstream"
	"sallyport/services"
)

// forward sends the request and streams the answer back.
func (x *exchange) forward() {
	out, refusal := x.outbound()
	if refusal != nil {
		x.answer(refusal)
		return
	}
	if err := x.supply.inject(out); err != nil {
		x.fail(err)
		return
	}
	a := &answer{
		w: x.w, r: x.r, flow: x.flow, row: &x.row, target: &x.target, visit: x.reading.visit, service: x.reading.meaning.Service,
		supply: &x.supply, keep: x.recorded(), cookies: x.decision.Cookies || x.decision.AgentAuth,
		names: x.sender.session.Framing(x.r).Names(),
	}
	response, err := x.agent.transport(x.p.ways, x.generation.Upstream, x.supply.injection).RoundTrip(out, a, x.r.ProtoMajor == 2)
	x.flow.Answered() // 1xx answers are held back from now on
	if err != nil {
		x.fail(err)
		return
	}
	defer response.Body.Close()
	named := func(h http.Header) string { return x.generation.requestID(x.reading.answeredBy(), h) }
	if refusal := a.take(response, named); refusal != nil {
		x.answer(refusal)
		x.row.outcome.Outcome = audit.OutcomeUpstreamFailed
		return
	}
	pass := a.pass
	if response.StatusCode == http.StatusSwitchingProtocols {
		pass = a.upgrade
	}
	if err := pass(response); err != nil {
		x.fail(err)
	}
}

// outbound is the request that leaves, before its credential is put on.
func (x *exchange) outbound() (*http.Request, *refusal) {
	o := outgoing{
		r: x.r, flow: x.flow, target: &x.target, decision: &x.decision.Decision,
		files: x.generation, agent: x.agent.key, signs: x.supply.injection.Signs(),
	}
	out, refusal := o.request()
	if refusal != nil {
		return nil, refusal
	}
	if v, ok := x.reading.visit.(services.Shaper); ok {
		v.Shape(out.Header, x.supply.injection != nil)
	}
	o.stripAuthentication(out)
	return out, nil
}

// fail answers for an upstream that gave no answer.
func (x *exchange) fail(err error) {
	err = x.supply.clean(err)
	if cause := context.Cause(x.flow.Context()); cause != nil {
		x.interrupted(cause, err)
		return
	}
	if failed := x.flow.BodyFailed(); failed != nil {
		x.answer(malformedRequest.causedBy("The request's body could not be read.", failed))
		x.row.outcome.Outcome = audit.OutcomeClientGone
		return
	}
	if refusal := refusalOf(err); refusal != nil {
		if refusal.word == overLimit.word {
			x.row.found("limit", limitAhead)
			x.agent.meets(limitAhead, x.row.started)
		}
		x.answer(refusal)
		return
	}
	refusal := upstreamFailure(err)
	x.answer(refusal)
	x.row.outcome.Outcome = audit.OutcomeUpstreamFailed
	if refusal.status == http.StatusGatewayTimeout {
		x.row.outcome.Outcome = audit.OutcomeTimedOut
	}
}

// interrupted tells the agent, if it is still there, why its exchange was cut
// before there was an answer. What came of it is for the row to settle.
func (x *exchange) interrupted(cause, err error) {
	var cut *cutError
	switch {
	case errors.As(cause, &cut):
		x.answer(cut.refusal)
	case errors.Is(cause, errStalled):
		x.answer(upstreamSlow.because("No byte has moved for too long."))
	case errors.Is(cause, errStopping):
		x.answer(upstreamUnreachable.because("Sallyport is stopping."))
	default:
		x.row.outcome.Error = err.Error()
		x.row.outcome.Outcome = audit.OutcomeClientGone
		panic(http.ErrAbortHandler)
	}
	x.row.outcome.Outcome = ""
}

// upstreamFailure is why there is no answer. The agent learns the class, the row the
// error.
func upstreamFailure(err error) *refusal {
	why := upstream.FailureOf(err)
	f := upstreamUnreachable.causedBy(why.Detail, err)
	if why.Timeout {
		f = upstreamSlow.causedBy(why.Detail, err)
	}
	f.proxy = why.ProxyError
	return f
}
