package proxy

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/google/uuid"

	"sallyport/audit"
	"sallyport/identity"
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
	if x.target.isDoor() {
		x.p.door.serve(x)
		return
	}
	// No row, no request: the intent is committed before anything leaves, be it
	// only a question to a name server.
	x.fillRow()
	if refusal := x.row.begin(x.flow.Context()); refusal != nil {
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

// exchange is one request and its answer. What its steps find stands in it, each found by
// one step, which is handed what it needs of the others.
type exchange struct {
	p          *Proxy
	w          http.ResponseWriter
	r          *http.Request // with the body in front again that was read to judge it, or printed anew
	flow       *wire.Flow    // its bytes; who cuts the exchange cuts this
	generation *Generation
	agent      *agent
	held       held
	row        row

	sender   sender   // who asks
	target   target   // where it goes
	reading  reading  // what it does
	decision decision // whether it may
	supply   supply   // with what

	confirmed atomic.Bool // what decide has found is final; others may read it
}

// sender is who sends a request.
type sender struct {
	session *wire.Session
	peer    identity.Peer
	record  identity.Agent // as it was when the exchange began
}

// tell says in the row who sends the request.
func (s *sender) tell(r *row, g *Generation) {
	in := &r.intent
	in.Who = g.who(s.peer.Agent, s.record, r.started)
	in.CertSerial, in.ClientAddr = s.peer.Serial, s.session.Client
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
		p: p, w: w, r: r, flow: wire.NewFlow(w, r), generation: p.generation(), row: newRow(p.clerk),
		sender: sender{session: s, peer: callerOf(s).peer},
	}
	x.agent = p.agents.get(x.sender.peer.Agent)
	x.agent.exchanges[x] = struct{}{}
	x.agent.bounds.follow(x.generation.Limits)
	x.agent.mu.Unlock()
	x.row.agent = x.agent
	x.held = held{pool: p.ahead.memory, agent: x.agent.key}
	return x
}

func (x *exchange) close() {
	x.flow.Close()
	x.supply.turn.Done()
	x.held.end()
	x.agent.mu.Lock()
	delete(x.agent.exchanges, x)
	x.agent.used = x.p.now()
	x.agent.mu.Unlock()
}

// authorize asks who, how much, where, whether and with what, and stops at the
// first no. The target is read before anything else, because every row names it,
// and counts against the limits even when it is malformed, because a refusal
// costs a row too.
func (x *exchange) authorize() (refusal *refusal) {
	defer func() { x.row.intent.AuthorizeMS = x.row.sinceStart() - x.supply.tookMS }()
	target, malformed := locate(x.r, x.sender.session, x.generation.authFields())
	if x.target = target; target.ends {
		x.flow.CloseAfter()
	}
	// On every request: a tunnel outlives a suspension.
	if x.sender.record, refusal = x.p.mayAct(x.sender.peer); refusal != nil {
		return refusal
	}
	if refusal = x.agent.admit(&x.target, malformed == nil, x.row.started); refusal != nil {
		return refusal
	}
	if malformed != nil || x.target.isDoor() {
		return malformed
	}
	if refusal = x.classify(); refusal != nil {
		return refusal
	}
	if x.decision.Decision, x.decision.made = x.question().judge(x.generation), true; x.decision.Effect != policy.Allow {
		return x.decision.refusal(&x.target)
	}
	return x.retrieve()
}

// classify names what the request does, reading of its body what that takes.
func (x *exchange) classify() *refusal {
	x.decision.policy = x.generation.Policies[x.sender.record.Policy]
	x.reading.find(x.generation, x.decision.policy, &x.target, x.r, x.agent.key)
	refusal := x.reading.read(body{r: x.r, flow: x.flow, held: &x.held, bounds: &x.p.ahead, policy: x.decision.policy})
	x.r = x.reading.body.r
	if denied := x.reading.body.denied; denied != nil {
		x.decision.Decision, x.decision.made = *denied, true
	}
	if refusal != nil {
		return refusal
	}
	return x.target.checkSources(x.r, x.reading.visit)
}

// question is what the policy is asked about the request.
func (x *exchange) question() *question {
	return &question{
		policy: x.sender.record.Policy, agent: x.agent.key, r: x.r, target: &x.target, meaning: x.reading.known(),
	}
}

// retrieve gets the credential that the rule names.
func (x *exchange) retrieve() *refusal {
	t := retrieval{
		p: x.p, generation: x.generation, exchange: x.row.id, sender: &x.sender, agent: x.agent,
		decision: &x.decision, target: &x.target, visit: x.reading.visit, r: x.r, held: &x.held,
	}
	refusal := t.retrieve(x.flow.Context())
	x.supply = t.supply
	return refusal
}

// confirm looks at status and configuration once more, after the intent and
// before the first byte: what has changed since the decision counts.
func (x *exchange) confirm() *refusal {
	x.confirmed.Store(true) // before the newest generation is read, so that Recheck finds the exchange or it finds the reload
	if _, refusal := x.p.mayAct(x.sender.peer); refusal != nil {
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
	decision := x.question().judge(g)
	return decision.Effect == policy.Allow && decision.Credential == x.decision.Credential && policy.SameScope(decision.Scope, x.decision.Scope)
}

// calls are what the request does, in the order in which the trail lists them.
func (x *exchange) calls() []policy.Call {
	all := x.reading.meaning.Calls
	refused := x.decision.made && x.decision.Effect != policy.Allow && len(all) > 1
	asked := x.question().query()
	return inOrder(all, func(call int) bool {
		return refused && x.decision.policy.DecideCall(asked, call).Effect != policy.Allow
	})
}

// fillRow has each step say in the row what it has found.
func (x *exchange) fillRow() {
	in := &x.row.intent
	in.ID, in.StartedAt, in.HTTPVersion = x.row.id, x.row.started, httpVersion(x.r)
	x.sender.tell(&x.row, x.generation)
	x.target.tell(&x.row)
	x.decision.tell(&x.row, x.r)
	x.reading.tell(&x.row, x.calls)
	x.supply.tell(&x.row)
	x.recorded().request(&x.row, x.r.Header, &x.target)
}

// recorded is what the rule has the row keep.
func (x *exchange) recorded() recorded {
	return recorded{list: x.decision.Record, auth: x.generation.authFields(), injection: x.supply.injection}
}

// recordBeside records what the row has no room for, before the request leaves.
func (x *exchange) recordBeside() *refusal {
	for list := range x.reading.beside(&x.row, x.calls) {
		if refusal := x.row.record(x.flow.Context(), list.Type, list.Key, list.Items); refusal != nil {
			return refusal
		}
	}
	return nil
}

// refuse records a refusal and answers with it: nothing has left.
func (x *exchange) refuse(f *refusal) {
	f, id := x.row.refused(x.flow.Context(), f, x.fillRow)
	x.write(f, id)
}

// answer answers with a refusal after the intent was committed, or after it
// could not be.
func (x *exchange) answer(f *refusal) {
	x.row.answered(f, audit.OutcomeRefused)
	x.write(f, x.row.id)
}

// write sends a refusal. A body that nobody will read ends the connection, so
// that its bytes are never taken for the next request.
func (x *exchange) write(f *refusal, id uuid.UUID) {
	if x.reading.visit == nil && x.target.authority.Port != 0 {
		x.reading.find(x.generation, x.decision.policy, &x.target, x.r, x.agent.key) // it may have been refused before anybody looked
	}
	if v, ok := x.reading.visit.(services.Refuser); ok && v.Refuse(x.w, x.r, x.told(f, id)) {
		return
	}
	x.endConnection()
	f.write(x.w, x.r, id, x.generation.Services)
}

// told is a refusal as visits tell it.
func (x *exchange) told(f *refusal, id uuid.UUID) *services.Refusal {
	return &services.Refusal{
		Class: f.class(), Status: f.status, Title: f.title, Detail: f.detail, Hint: f.hintText(), Exchange: id.String(), Cause: f.cause,
		Header: func(h http.Header) {
			x.endConnection()
			f.header(h)
		},
		Reason: func(m *policy.Meaning, call int) string {
			asked := x.target.query()
			asked.Meaning = m
			return x.decision.reason(f, asked, call)
		},
		Body:   x.flow.Body(x.r.Body, nil),
		ReadBy: x.flow.ReadBy,
	}
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
	x.row.end(context.Cause(x.flow.Context()), x.flow.Sent(), x.flow.Received())
}
