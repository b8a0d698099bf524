package proxy

import (
	"cmp"
	"context"
	"slices"

	"sallyport/audit"
	"sallyport/policy"
)

// Bounds of the lists in a row's details and in one event beside it, which the
// trail keeps to 16 KiB and 64 KiB.
const (
	maxListed  = 100
	rowBytes   = 8 << 10
	eventBytes = 48 << 10
)

// A request that does more than its row lists has this detail, and events of this type
// for the rest.
const (
	callsTotal = "calls_total"
	typeCalls  = "request.calls"
)

// callBytes is what a call in an event takes beside its operation and resource.
const callBytes = 40

// describeCalls puts what a request does into its row when it does several things.
// Names are as long as their sender wants them, so that bytes are counted too.
func (c *classified) describeCalls(x *exchange) {
	listed := listInRow(c.inOrder(x))
	var operations, resources []any
	for i := range listed {
		operations, resources = append(operations, c.meaning.Service+":"+audit.Cut(listed[i].Operation)), append(resources, audit.CutResource(listed[i].Resource))
	}
	if c.aws != nil {
		operations = slices.Compact(operations)
		x.detail("resources", resources)
	}
	x.detail("operations", operations)
	if len(listed) < len(c.meaning.Calls) {
		x.detail(callsTotal, int64(len(c.meaning.Calls)))
	}
}

// listInRow are those of the calls that a row lists.
func listInRow(calls []policy.Call) []policy.Call {
	listed, _ := listCalls(calls, rowBytes)
	return listed[:min(len(listed), maxListed)]
}

// inOrder are the calls in the order in which the trail lists them: what the policy
// refuses, what gives or plants a credential and what takes the most come first, so
// that what a list has no room for is the least of it.
func (c *classified) inOrder(x *exchange) []policy.Call {
	type ranked struct {
		call   *policy.Call
		denied int
	}
	all := make([]ranked, len(c.meaning.Calls))
	refused := x.decided && x.decision.Effect != policy.Allow && len(all) > 1
	for i := range all {
		all[i].call = &c.meaning.Calls[i]
		if refused && x.policy.DecideCall(x.query(), i).Effect != policy.Allow {
			all[i].denied = 1
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.denied, a.denied), cmp.Compare(b.call.Access, a.call.Access), compareBool(b.call.Credential, a.call.Credential))
	})
	calls := make([]policy.Call, len(all))
	for i := range all {
		calls[i] = *all[i].call
	}
	return calls
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// listCalls splits calls into those that fit into size, one at least, and the rest.
func listCalls(calls []policy.Call, size int) (listed, rest []policy.Call) {
	for i := range calls {
		size -= len(audit.Cut(calls[i].Operation)) + len(audit.CutResource(calls[i].Resource)) + callBytes
		if size < 0 && i > 0 {
			return calls[:i], calls[i:]
		}
	}
	return calls, nil
}

// recordBeside records what the row has no room for, before the request leaves.
func (x *exchange) recordBeside() *refusal {
	if refusal := x.recordRefs(); refusal != nil {
		return refusal
	}
	return x.recordCalls()
}

// recordCalls records what the row of a request has no room for, each operation with
// what it acts on, as events of the exchange.
func (x *exchange) recordCalls() *refusal {
	c := x.classified
	if c == nil || c.push != nil || x.details[callsTotal] == nil {
		return nil
	}
	calls := c.inOrder(x)
	for rest := calls[len(listInRow(calls)):]; len(rest) > 0; {
		var now []policy.Call
		now, rest = listCalls(rest, eventBytes)
		list := make([]any, len(now))
		for i := range now {
			one := map[string]any{"operation": c.meaning.Service + ":" + audit.Cut(now[i].Operation)}
			if now[i].Resource != "" {
				one["resource"] = audit.CutResource(now[i].Resource)
			}
			list[i] = one
		}
		if refusal := x.recordEvent(typeCalls, "calls", list); refusal != nil {
			return refusal
		}
	}
	return nil
}

// recordEvent records a list that the row has no room for as an event of the exchange. It
// counts against the agent's budget of the trail as the row does: how long such lists are
// together, the agent decides.
func (x *exchange) recordEvent(kind, key string, list []any) *refusal {
	payload := map[string]any{key: list}
	x.agent.wrote(x.started, eventBase+weightOf(payload), false)
	event := audit.Event{Type: kind, Exchange: x.id, Payload: payload}
	if err := x.p.trail.Record(context.WithoutCancel(x.ctx), event); err != nil {
		return x.p.unrecorded(x.id, err)
	}
	return nil
}
