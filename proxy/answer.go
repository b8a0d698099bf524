package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"time"

	"golang.org/x/net/http/httpguts"

	"sallyport/audit"
	"sallyport/credentials/budget"
	"sallyport/internal/fieldname"
	"sallyport/proxy/wire"
	"sallyport/services"
)

// answer is the way of an answer to the agent, from the upstream's connection on.
type answer struct {
	w       http.ResponseWriter
	r       *http.Request // the agent's
	flow    *wire.Flow
	row     *row
	target  *target
	visit   services.Visit
	service string // its key; "" for none
	supply  *supply
	keep    recorded
	cookies bool // sessions pass
	names   fieldname.Names
}

// Names is how the agent has written the names of the request's fields.
func (a *answer) Names() fieldname.Names { return a.names }

// Named has those of the answer written as the upstream has written them.
func (a *answer) Named(names fieldname.Names) { a.flow.Spell(names) }

// Connected, FirstByte and Informational are called on the way to an answer. For
// HTTP/2 they come from a goroutine of the transport, possibly after RoundTrip
// has given up.
func (a *answer) Connected(address string, took time.Duration) {
	a.row.outcome.Timings.Connect = milliseconds(took)
	a.row.outcome.UpstreamAddr = address
}

// FirstByte tells that the upstream begins to answer.
func (a *answer) FirstByte() {
	a.flow.BeforeAnswer(func() { a.row.outcome.Timings.FirstByte = a.row.sinceStart() })
}

// Informational passes 103 and its like on, though not beside a 100 that the
// agent expects: the server writes that one by itself, at the same time.
func (a *answer) Informational(code int, header textproto.MIMEHeader) error {
	if code == http.StatusContinue || !a.r.ProtoAtLeast(1, 1) || a.r.Header.Get("Expect") != "" {
		return a.flow.Hint(code, nil)
	}
	return a.flow.Hint(code, func(h http.Header) {
		maps.Copy(h, header)
		stripHopByHop(h)
		delete(h, "Content-Length") // of an answer that is none yet
		if a.supply.injection != nil {
			a.scrub(h)
		}
		a.stripCookies(h)
	})
}

// take learns from an answer before any of it is passed on. named is what the upstream calls
// the request, by the answer's header. A refusal is answered in its place.
func (a *answer) take(response *http.Response, named func(http.Header) string) *refusal {
	if a.supply.injection != nil {
		a.scrub(response.Header)
		a.scrub(response.Trailer) // names, so far
		a.observe(response)
		if v, ok := a.visit.(services.Answerer); ok {
			v.Unpack(response)
		}
	}
	a.row.outcome.Status = response.StatusCode
	a.row.outcome.UpstreamRequestID = named(response.Header) // after the injected value was taken out of it
	a.keep.answer(a.row, response.Header)
	a.account(response)
	return a.withhold(response)
}

// observe lets the credential learn from the answer.
func (a *answer) observe(response *http.Response) {
	ahead, learnt := a.supply.injection.Observe(response.Request, response)
	if learnt {
		a.row.clerk.log.Warn("the upstream's clock differs from ours; what is signed for it is dated by its own", "exchange", a.row.id, "host", a.target.authority.Name.String(), "ahead", ahead)
	}
}

// withhold has the service take what is live out of an answer.
func (a *answer) withhold(response *http.Response) *refusal {
	v, ok := a.visit.(services.Answerer)
	if !ok || a.supply.injection == nil || response.StatusCode < 200 || hasNoBody(a.r.Method, response.StatusCode) {
		return nil
	}
	err := v.Answer(response, &keeper{row: a.row, flow: a.flow, credential: a.supply.credential})
	if err == nil {
		return nil
	}
	detail := "The answer may hold something live, and cannot be read."
	if unreadable, ok := errors.AsType[*services.Unreadable](err); ok {
		detail = unreadable.Detail
	}
	return unreadableAnswer.causedBy(detail, err)
}

// account takes from an answer how the credential's account stands now.
func (a *answer) account(response *http.Response) {
	v, ok := a.visit.(services.Budgeter)
	if !ok {
		return
	}
	told := v.Told(response, a.row.clerk.now())
	a.supply.turn.Answered(told)
	if told.Limit > 0 {
		a.row.found("rate_limit_remaining", int64(told.Remaining))
		a.row.found("rate_limit_resource", told.Resource)
	}
	a.backsOff(told)
}

func (a *answer) backsOff(told budget.Answer) {
	if told.Backoff > 0 {
		a.row.found("rate_limit_backoff_s", int64(told.Backoff/time.Second))
	}
}

// pass streams the upstream's answer to the agent. An error comes before anything was passed
// on.
func (a *answer) pass(response *http.Response) error {
	if response.StatusCode < 200 || response.StatusCode > 999 {
		return errors.New("the upstream's status is not one")
	}
	if v, ok := a.visit.(services.Learner); ok && v.Learn(response) {
		a.supply.injection.Answered(response.StatusCode)
	}
	h := a.w.Header()
	announced := a.copyHeader(h, response)
	if a.flow.BodyOpen() {
		a.flow.CloseAfter() // what is still to come of the body must not be taken for a request
	}
	a.w.WriteHeader(response.StatusCode)
	if hasNoBody(a.r.Method, response.StatusCode) {
		// Go's HTTP/2 client reports an error for the body of a 304 that has a
		// Content-Length; there is none to read.
		a.completed()
		return nil
	}
	var watch services.Watch // what looks at the answer as it passes; nil for nothing
	if v, ok := a.visit.(services.Watcher); ok {
		watch = v.Watch(response, a.supply.turn != nil)
	}
	err := a.copyBody(response, watch)
	a.watched(watch)
	if err != nil {
		a.brokenOff(err)
	}
	a.copyTrailer(h, response.Trailer, announced)
	a.completed()
	return nil
}

// copyBody passes the body on. An agent that leaves a stream of events after the last one has
// all of it.
func (a *answer) copyBody(response *http.Response, watch services.Watch) error {
	if !isEvents(response) {
		return a.flow.Copy(response.Body, isLive(response), watch)
	}
	stream := &events{next: watch}
	err := a.flow.Copy(response.Body, true, stream)
	if err != nil && context.Cause(a.flow.Context()) != nil && !a.flow.IsCut() && stream.isOver() {
		a.row.ended()
	}
	return err
}

func hasNoBody(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}

// copyHeader writes the answer's header and returns how many trailers it announces.
func (a *answer) copyHeader(h http.Header, response *http.Response) int {
	maps.Copy(h, response.Header)
	stripHopByHop(h)
	a.stripCookies(h)
	if _, sent := h["Content-Type"]; !sent {
		h["Content-Type"] = nil // the server would guess one
	}
	for name := range response.Trailer {
		if a.trailerPasses(name) {
			h.Add("Trailer", name)
		}
	}
	return len(response.Trailer)
}

// stripCookies removes the sessions that an upstream gives: who may not send a cookie is
// given none, for an agent that holds a session needs no proxy.
func (a *answer) stripCookies(h http.Header) {
	if !a.cookies {
		delete(h, "Set-Cookie")
		delete(h, "Set-Cookie2")
	}
}

// scrub takes the injected value out of what an upstream sends back.
func (a *answer) scrub(h http.Header) {
	if hits := a.supply.injection.Scrub(h); hits > 0 {
		a.row.clerk.log.Warn("upstream returned the injected credential; redacted", "exchange", a.row.id, "credential", a.supply.credential, "hits", hits)
		a.row.found("redacted", hits)
	}
}

// isLive reports whether an answer is passed on as it comes: one without a length, or a
// stream of events.
func isLive(response *http.Response) bool {
	return response.ContentLength < 0 || isEvents(response)
}

// watched records what was found in an answer while it passed by.
func (a *answer) watched(watch services.Watch) {
	if watch == nil {
		return
	}
	f := watch.Close(func(texts []string) { a.supply.injection.Scrub(http.Header{"": texts}) })
	for key, value := range f.Details {
		a.row.found(key, value)
	}
	for unit, n := range f.Cost {
		a.row.clerk.metrics.Cost(a.service, unit, n)
	}
	if f.Account != nil {
		a.supply.turn.Answered(*f.Account)
		a.backsOff(*f.Account)
	}
	if f.Rejected {
		a.row.outcome.Outcome = audit.OutcomeRejected
	}
	if a.row.outcome.Error == "" {
		a.row.outcome.Error = f.Error
	}
	for _, list := range f.Beside {
		if a.row.record(a.flow.Context(), list.Type, list.Key, list.Items) != nil {
			return
		}
	}
}

// brokenOff ends an answer that was cut short so that the agent cannot take it
// for whole: the stream is reset, the connection closed.
func (a *answer) brokenOff(err error) {
	out := &a.row.outcome
	var write *wire.WriteError
	switch {
	case out.Outcome == audit.OutcomeCompleted: // nothing is missing
	case errors.As(err, &write) || context.Cause(a.flow.Context()) != nil:
		out.Error, out.Outcome = a.supply.clean(err).Error(), audit.OutcomeClientGone
	default:
		out.Error, out.Outcome = a.supply.clean(err).Error(), audit.OutcomeUpstreamFailed
	}
	_ = a.flow.Flush() // what did arrive is the agent's
	panic(http.ErrAbortHandler)
}

// copyTrailer passes trailers on: those announced by their names, late ones by
// the server's prefix.
func (a *answer) copyTrailer(h, trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	if a.supply.injection != nil {
		a.scrub(trailer)
	}
	late := len(trailer) != announced
	for name := range trailer {
		if !a.trailerPasses(name) {
			delete(trailer, name)
		}
	}
	if !late && announced > 0 {
		_ = a.flow.Flush() // forces chunked, which alone can carry trailers
	}
	for name, values := range trailer {
		if late {
			name = http.TrailerPrefix + name
		}
		for _, value := range values {
			h.Add(name, value)
		}
	}
}

// trailerPasses reports whether a trailer of the answer reaches the agent. The server
// looks at those that were announced, and at no others.
func (a *answer) trailerPasses(name string) bool {
	return httpguts.ValidTrailerHeader(name) && (name != "Set-Cookie" || a.cookies)
}

// completed marks the exchange as done. A body that the upstream did not want to
// read is given up, for waiting for it would keep the agent's answer open.
func (a *answer) completed() {
	a.row.ended()
	a.flow.GiveUpBody()
}
