package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

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
	if err := x.inject(out); err != nil {
		x.fail(err)
		return
	}
	response, err := x.roundTrip(out)
	if err != nil {
		x.fail(err)
		return
	}
	defer response.Body.Close()
	if x.injection != nil {
		x.scrub(response.Header)
		x.scrub(response.Trailer) // names, so far
		x.observe(response)
		if v, ok := x.visit.(services.Answerer); ok {
			v.Unpack(response)
		}
	}
	x.outcome.Status = response.StatusCode
	x.outcome.UpstreamRequestID = x.upstreamRequestID(response.Header)
	x.recordAnswer(response.Header)
	x.account(response)
	if refusal := x.withhold(response); refusal != nil {
		x.answer(refusal)
		x.outcome.Outcome = audit.OutcomeUpstreamFailed
		return
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		x.upgrade(response)
		return
	}
	x.respond(response)
}

// withhold has the service take what is live out of an answer.
func (x *exchange) withhold(response *http.Response) *refusal {
	v, ok := x.visit.(services.Answerer)
	if !ok || x.injection == nil || response.StatusCode < 200 || hasNoBody(x.r.Method, response.StatusCode) {
		return nil
	}
	err := v.Answer(response, (*keeper)(x))
	if err == nil {
		return nil
	}
	detail := "The answer may hold something live, and cannot be read."
	if unreadable, ok := errors.AsType[*services.Unreadable](err); ok {
		detail = unreadable.Detail
	}
	return unreadableAnswer.causedBy(detail, err)
}

// outbound builds the request that leaves. It is a new one: what the agent's
// request carries besides method, target, fields and body (Close, the hop-by-hop
// fields, its own authentication) ends here.
func (x *exchange) outbound() (*http.Request, *refusal) {
	target, refusal := x.outboundURL()
	if refusal != nil {
		return nil, refusal
	}
	out := (&http.Request{
		Method:        x.r.Method,
		URL:           target,
		Host:          x.target.hostField(),
		Header:        x.outboundHeader(),
		ContentLength: x.r.ContentLength,
		Body:          http.NoBody,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
	}).WithContext(x.flow.Context())
	if x.r.Body != http.NoBody && x.r.ContentLength != 0 {
		x.attachBody(out)
	}
	if v, ok := x.visit.(services.Shaper); ok {
		v.Shape(out.Header, x.injection != nil)
	}
	x.stripAuthentication(out)
	return out, nil
}

// inject puts the credential on the request: the only line where a secret meets one, and
// the last before the wire. A signature covers the body, which may be read here.
func (x *exchange) inject(out *http.Request) error {
	if x.injection == nil {
		return nil
	}
	if err := x.injection.Apply(out); err != nil {
		return &injectError{x.credential, err}
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

// observe lets the credential learn from the answer.
func (x *exchange) observe(response *http.Response) {
	ahead, learnt := x.injection.Observe(response.Request, response)
	if learnt {
		x.p.log.Warn("the upstream's clock differs from ours; what is signed for it is dated by its own", "exchange", x.id, "host", x.target.authority.Name.String(), "ahead", ahead)
	}
}

// outboundURL keeps path and query byte for byte: net/url would encode what it
// finds unusual.
func (x *exchange) outboundURL() (*url.URL, *refusal) {
	t := &x.target
	u := &url.URL{
		Scheme: t.scheme, Host: t.authority.String(),
		RawQuery: t.rawQuery, ForceQuery: t.forceQuery,
	}
	path, err := url.PathUnescape(t.rawPath)
	if err != nil {
		return nil, malformedRequest.causedBy("The path has an invalid escape.", err)
	}
	u.Path, u.RawPath = path, t.rawPath
	if u.EscapedPath() == t.rawPath {
		return u, nil
	}
	if len(t.rawPath) > 1 && t.rawPath[1] == '/' {
		// Opaque would read this as an authority.
		return nil, malformedRequest.because("The path begins with // and holds characters that must be percent-encoded.")
	}
	u.Path, u.RawPath, u.Opaque = "", "", t.rawPath
	return u, nil
}

// hostField is the Host field of the request that leaves: without the port where
// it is the scheme's own.
func (t *target) hostField() string {
	full := t.authority.String()
	if t.scheme == "https" && t.authority.Port == 443 || t.scheme == "http" && t.authority.Port == 80 {
		return full[:strings.LastIndexByte(full, ':')]
	}
	return full
}

// attachBody hands the agent's body on, with its trailers.
func (x *exchange) attachBody(out *http.Request) {
	var ended func()
	if r := x.r; len(r.Trailer) > 0 {
		trailer := make(http.Header, len(r.Trailer))
		for name := range r.Trailer {
			if x.passesTrailer(name) {
				trailer[name] = nil
			}
		}
		out.Trailer = trailer
		ended = func() {
			for name := range trailer {
				trailer[name] = r.Trailer[name]
			}
		}
	}
	out.Body = x.flow.Body(x.r.Body, ended)
	x.flow.Duplex()
}

// roundTrip sends the request and holds 1xx answers back once it has returned.
func (x *exchange) roundTrip(out *http.Request) (*http.Response, error) {
	response, err := x.agent.transport(x.p.ways, x.generation.Upstream).RoundTrip(out, x, x.r.ProtoMajor == 2)
	x.flow.Answered()
	return response, err
}

// Connected, FirstByte and Informational are called on the way to an answer. For
// HTTP/2 they come from a goroutine of the transport, possibly after RoundTrip
// has given up.
func (x *exchange) Connected(address string, took time.Duration) {
	x.outcome.Timings.Connect = milliseconds(took)
	x.outcome.UpstreamAddr = address
}

// FirstByte tells that the upstream begins to answer.
func (x *exchange) FirstByte() {
	x.flow.BeforeAnswer(func() { x.outcome.Timings.FirstByte = x.sinceStart() })
}

// Informational passes 103 and its like on, though not beside a 100 that the
// agent expects: the server writes that one by itself, at the same time.
func (x *exchange) Informational(code int, header textproto.MIMEHeader) error {
	if code == http.StatusContinue || !x.r.ProtoAtLeast(1, 1) || x.r.Header.Get("Expect") != "" {
		return x.flow.Hint(code, nil)
	}
	return x.flow.Hint(code, func(h http.Header) {
		maps.Copy(h, header)
		stripHopByHop(h)
		delete(h, "Content-Length") // of an answer that is none yet
		if x.injection != nil {
			x.scrub(h)
		}
		x.stripCookies(h)
	})
}

// fail answers for an upstream that gave no answer.
func (x *exchange) fail(err error) {
	err = x.clean(err)
	if cause := context.Cause(x.flow.Context()); cause != nil {
		x.interrupted(cause, err)
		return
	}
	if failed := x.flow.BodyFailed(); failed != nil {
		x.answer(malformedRequest.causedBy("The request's body could not be read.", failed))
		x.outcome.Outcome = audit.OutcomeClientGone
		return
	}
	if refusal := refusalOf(err); refusal != nil {
		if refusal.word == overLimit.word {
			x.found("limit", limitAhead)
			x.agent.meets(limitAhead, x.started)
		}
		x.answer(refusal)
		return
	}
	refusal := upstreamFailure(err)
	x.answer(refusal)
	x.outcome.Outcome = audit.OutcomeUpstreamFailed
	if refusal.status == http.StatusGatewayTimeout {
		x.outcome.Outcome = audit.OutcomeTimedOut
	}
}

// interrupted tells the agent, if it is still there, why its exchange was cut
// before there was an answer. What came of it is for settle to name.
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
		x.outcome.Error = err.Error()
		x.outcome.Outcome = audit.OutcomeClientGone
		panic(http.ErrAbortHandler)
	}
	x.outcome.Outcome = ""
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
