package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/proxy/wire"
)

// refusedField is how a sidecar tells, in a CONNECT that opens no tunnel, how many clients it
// has refused itself, by the reasons of its refusals. Its value is in the form of a query. What an agent makes up
// here is said of that agent alone.
const refusedField = "Sallyport-Refused"

// toldRefused records what a sidecar tells in a CONNECT, and returns the answer. It counts
// as a refused request does.
func (c *clerk) toldRefused(s *wire.Session, r *http.Request) *http.Response {
	refusal := c.recordRefused(s, r.Header.Get(refusedField))
	if refusal != nil {
		return refusal.response(r, uuid.Nil)
	}
	return &http.Response{StatusCode: http.StatusNoContent, ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true, Header: http.Header{}}
}

func (c *clerk) recordRefused(s *wire.Session, value string) *refusal {
	told, err := url.ParseQuery(value)
	if err != nil {
		return malformedRequest.because("The field " + refusedField + " is in the form of a query.")
	}
	in := c.intent(s, authorityOf(s))
	payload := map[string]any{"agent": in.Agent.String(), "name": in.AgentName, "owner": in.Owner, "accountable": in.Accountable, "client_addr": in.ClientAddr}
	for _, name := range []string{"password", "malformed", "caller", "seconds"} {
		if n, err := strconv.ParseUint(told.Get(name), 10, 32); err == nil && n > 0 {
			payload[name] = int64(n)
		}
	}
	a := c.agents.get(in.Agent)
	a.bounds.follow(c.generation().Limits)
	allowed := a.bounds.requests.AllowN(in.StartedAt, 1)
	a.mu.Unlock()
	if !allowed || !a.mayWriteRefusal(in.StartedAt) {
		return exceeded(limitRequests, time.Second)
	}
	a.wrote(in.StartedAt, eventBase+weightOf(payload), true)
	if err := c.trail.Record(context.Background(), audit.Event{Type: audit.TypeSidecarRefused, Payload: payload}); err != nil {
		return c.unrecorded(in.ID, err)
	}
	return nil
}
