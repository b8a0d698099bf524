package proxy

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sallyport/audit"
	"sallyport/credentials"
	"sallyport/proxy/wire"
	"sallyport/services"
)

// respond streams the upstream's answer to the agent.
func (x *exchange) respond(response *http.Response) {
	if response.StatusCode < 200 || response.StatusCode > 999 {
		x.fail(errors.New("the upstream's status is not one"))
		return
	}
	if v, ok := x.visit.(services.Learner); ok && v.Learn(response) {
		x.injection.Answered(response.StatusCode)
	}
	h := x.w.Header()
	announced := x.copyHeader(h, response)
	if x.flow.BodyOpen() {
		x.flow.CloseAfter() // what is still to come of the body must not be taken for a request
	}
	x.w.WriteHeader(response.StatusCode)
	if hasNoBody(x.r.Method, response.StatusCode) {
		// Go's HTTP/2 client reports an error for the body of a 304 that has a
		// Content-Length; there is none to read.
		x.completed()
		return
	}
	if v, ok := x.visit.(services.Watcher); ok {
		x.watch = v.Watch(response, x.turn != nil)
	}
	err := x.flow.Copy(response.Body, isLive(response), x.watch)
	x.watched()
	if err != nil {
		x.brokenOff(err)
	}
	x.copyTrailer(h, response.Trailer, announced)
	x.completed()
}

func hasNoBody(method string, status int) bool {
	return method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
}

// copyHeader writes the answer's header and returns how many trailers it announces.
func (x *exchange) copyHeader(h http.Header, response *http.Response) int {
	maps.Copy(h, response.Header)
	stripHopByHop(h)
	x.stripCookies(h)
	if _, sent := h["Content-Type"]; !sent {
		h["Content-Type"] = nil // the server would guess one
	}
	for name := range response.Trailer {
		if x.trailerPasses(name) {
			h.Add("Trailer", name)
		}
	}
	return len(response.Trailer)
}

// scrub takes the injected value out of what an upstream sends back.
func (x *exchange) scrub(h http.Header) {
	if hits := x.injection.Scrub(h); hits > 0 {
		x.p.log.Warn("upstream returned the injected credential; redacted", "exchange", x.id, "credential", x.credential, "hits", hits)
		x.found("redacted", hits)
	}
}

// clean takes the injected value out of an error's text. net/http quotes what it
// could not parse, and an upstream decides what that is.
func (x *exchange) clean(err error) error { return credentials.CleanError(err, x.injection.Scrub) }

// isLive reports whether an answer is passed on as it comes: one without a length, or a
// stream of events.
func isLive(response *http.Response) bool {
	return response.ContentLength < 0 || strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream")
}

// brokenOff ends an answer that was cut short so that the agent cannot take it
// for whole: the stream is reset, the connection closed.
func (x *exchange) brokenOff(err error) {
	x.outcome.Error = x.clean(err).Error()
	var write *wire.WriteError
	if errors.As(err, &write) || context.Cause(x.flow.Context()) != nil {
		x.outcome.Outcome = audit.OutcomeClientGone
	} else {
		x.outcome.Outcome = audit.OutcomeUpstreamFailed
	}
	_ = x.flow.Flush() // what did arrive is the agent's
	panic(http.ErrAbortHandler)
}

// copyTrailer passes trailers on: those announced by their names, late ones by
// the server's prefix.
func (x *exchange) copyTrailer(h, trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	if x.injection != nil {
		x.scrub(trailer)
	}
	late := len(trailer) != announced
	for name := range trailer {
		if !x.trailerPasses(name) {
			delete(trailer, name)
		}
	}
	if !late && announced > 0 {
		_ = x.flow.Flush() // forces chunked, which alone can carry trailers
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
func (x *exchange) trailerPasses(name string) bool {
	return httpguts.ValidTrailerHeader(name) && (name != "Set-Cookie" || x.passesCookies())
}

// completed marks the exchange as done. A body that the upstream did not want to
// read is given up, for waiting for it would keep the agent's answer open.
func (x *exchange) completed() {
	if x.outcome.Outcome == "" { // the answer itself may say otherwise
		x.outcome.Outcome = audit.OutcomeCompleted
	}
	x.flow.GiveUpBody()
}

// requestIDs are the fields in which anybody names a request.
var requestIDs = []string{"X-Request-Id", "Request-Id", "X-Correlation-Id", "Cf-Ray"}

// upstreamRequestID is what the upstream calls the request. A service's own fields are taken
// from its own servers alone: by them an agent is found, and any other server could write
// there what belongs to somebody else's request.
func (x *exchange) upstreamRequestID(h http.Header) string {
	service := ""
	if x.classified {
		if v, ok := x.visit.(services.Named); !ok || v.AnswersItself() {
			service = x.meaning.Service
		}
	}
	return x.generation.requestID(service, h)
}

// requestID finds what a request is called in the fields of a service and those of anybody.
func (g *Generation) requestID(service string, h http.Header) string {
	for _, s := range g.Services {
		if n, ok := s.(services.Namer); ok && s.Key() == service {
			if id := firstOf(h, n.RequestIDs()); id != "" {
				return id
			}
		}
	}
	return firstOf(h, requestIDs)
}

func firstOf(h http.Header, names []string) string {
	for _, name := range names {
		if values := h[name]; len(values) > 0 {
			return values[0]
		}
	}
	return ""
}
