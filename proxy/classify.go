package proxy

import (
	"bytes"
	"io"
	"net/http"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
)

// classify names what the request does, in its service's own words. It reads no
// more of the body than tells, and puts that back in front of the rest. The refusal is
// for a body that need not be read, or cannot be.
func (x *exchange) classify() *refusal {
	x.policy = x.generation.Policies[x.record.Policy]
	x.find()
	if x.visit != nil {
		x.means(x.visit.Read((*body)(x)))
	}
	if x.unread != nil {
		return x.unread
	}
	return x.checkSources()
}

// find looks for the service that the request goes to.
func (x *exchange) find() {
	x.line = services.Line{Query: x.target.query(), Request: x.r, Agent: x.agent.key}
	x.visit = x.generation.find(&x.line)
}

func (x *exchange) means(m policy.Meaning) { x.meaning, x.classified = m, true }

// body is the exchange as visits see it.
type body exchange

// Denied implements [services.Body].
func (b *body) Denied(meaning policy.Meaning, outlines ...policy.Outline) bool {
	x := (*exchange)(b)
	x.means(meaning)
	return x.deniedUnread(outlines...)
}

// Stream implements [services.Body].
func (b *body) Stream(weight int64, read func(io.Reader) (beside int64)) {
	x := (*exchange)(b)
	var taken bytes.Buffer
	from, reading := x.r.Body, x.read(weight)
	beside := int64(0)
	defer func() { reading.done(beside) }()
	x.r.Body = &restored{Reader: io.MultiReader(&taken, from), Closer: from}
	beside = read(io.TeeReader(reading, &taken))
}

// Peek implements [services.Body].
func (b *body) Peek(most int64) (read []byte, more bool, err error) {
	x := (*exchange)(b)
	var taken bytes.Buffer
	from, reading := x.r.Body, x.read(services.Parsed)
	defer reading.done(0)
	_, err = io.Copy(&taken, io.LimitReader(reading, most+1))
	read = taken.Bytes()
	x.r.Body = &restored{Reader: io.MultiReader(bytes.NewReader(read), from), Closer: from}
	return read, int64(len(read)) > most, err
}

// Room implements [services.Body].
func (b *body) Room(n int64) bool { return (*exchange)(b).room(n) }

// Replace implements [services.Body].
func (b *body) Replace(printed []byte, media string) { (*exchange)(b).sendAnew(printed, media) }

// restored is a body whose beginning was read already.
type restored struct {
	io.Reader
	io.Closer
}

// query is the request as its policy is asked about it.
func (x *exchange) query() policy.Query {
	q := x.target.query()
	if x.classified {
		q.Meaning = &x.meaning
	}
	return q
}

// describe puts what the request does into its intent.
func (x *exchange) describe() {
	if !x.classified {
		return
	}
	var d services.Description
	if v, ok := x.visit.(services.Describer); ok {
		d = v.Describe()
	}
	for key, value := range d.Details {
		x.detail(key, value)
	}
	if len(x.meaning.Calls) == 0 {
		x.detail("unclassified", audit.CutResource(x.meaning.Unclassified))
		return
	}
	x.intent.Operation, x.intent.Resource = x.meaning.Service+":"+d.Operation, d.Resource
	if !d.Whole {
		x.describeCalls(d.Resources)
	}
}

// refusalFor is a refusal as visits tell it.
func (x *exchange) refusalFor(f *refusal, exchange string) *services.Refusal {
	return &services.Refusal{
		Class: f.class(), Status: f.status, Title: f.title, Detail: f.detail, Hint: f.hintText(), Exchange: exchange,
		Header: func(h http.Header) {
			x.endConnection()
			f.header(h)
		},
		Reason: func(m *policy.Meaning, call int) string { return x.rejection(f, m, call) },
		Body:   x.flow.Body(x.r.Body, nil),
		ReadBy: x.flow.ReadBy,
	}
}

// rejection is why one call of a request is refused.
func (x *exchange) rejection(f *refusal, m *policy.Meaning, call int) string {
	if f.word != deniedByPolicy.word && f.word != needsApproval.word || !x.decided || x.decision.Effect == policy.Allow {
		return f.detail
	}
	q := x.query()
	q.Meaning = m
	if d := x.policy.DecideCall(q, call); d.Effect != policy.Allow {
		return d.Reason
	}
	return "refused together with the others: a push goes out whole or not at all"
}
