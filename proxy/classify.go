package proxy

import (
	"net/http"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
)

// reading is what a request was found to do, in its service's own words.
type reading struct {
	line       services.Line  // of the request, which the visit keeps
	visit      services.Visit // nil if the request goes to no service that is known
	meaning    policy.Meaning
	classified bool // meaning says what the request does, or why that is not known
	body       body // as far as it had to be read
}

// find looks for the service that the request goes to.
func (d *reading) find(g *Generation, p *policy.Policy, t *target, r *http.Request, agent string) {
	d.line = services.Line{Query: t.query(), Request: r, Agent: agent, Policy: p}
	d.visit = g.find(&d.line)
}

// read names what the request does. It reads no more of the body than tells, and puts that
// back in front of the rest. The refusal is for a body that need not be read, or cannot be.
func (d *reading) read(b body) *refusal {
	d.body = b
	if d.visit == nil {
		return nil
	}
	d.body.query = d.line.Query
	d.meaning, d.classified = d.visit.Read(&d.body), true
	return d.body.unread
}

// known is what the request means, for its policy; nil if nobody knows.
func (d *reading) known() *policy.Meaning {
	if !d.classified {
		return nil
	}
	return &d.meaning
}

// answeredBy is the key of the service whose own fields the answer may hold; "" for none.
func (d *reading) answeredBy() string {
	if !d.classified {
		return ""
	}
	if v, ok := d.visit.(services.Named); ok && !v.AnswersItself() {
		return ""
	}
	return d.meaning.Service
}

// tell says in the row what the request does. calls are what it does, in the order in which
// the trail lists them.
func (d *reading) tell(r *row, calls func() []policy.Call) {
	if !d.classified {
		return
	}
	var s services.Description
	if v, ok := d.visit.(services.Describer); ok {
		s = v.Describe()
	}
	for key, value := range s.Details {
		r.detail(key, value)
	}
	if len(d.meaning.Calls) == 0 {
		r.detail("unclassified", audit.CutResource(d.meaning.Unclassified))
		return
	}
	r.intent.Operation, r.intent.Resource = d.meaning.Service+":"+s.Operation, s.Resource
	if !s.Whole {
		listCallsInRow(r, d.meaning.Service, calls(), s.Resources)
	}
}
