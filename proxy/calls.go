package proxy

import (
	"cmp"
	"context"
	"slices"

	"sallyport/audit"
	"sallyport/policy"
	"sallyport/services"
)

// maxListed bounds the list in a row.
const maxListed = 100

// callsTotal is a detail of a request that does more than its row lists.
const callsTotal = "calls_total"

// callBytes is what a call in an event takes beside its operation and resource.
const callBytes = 40

// describeCalls puts what a request does into its row when it does several things.
// Names are as long as their sender wants them, so that bytes are counted too.
func (x *exchange) describeCalls(withResources bool) {
	m := &x.meaning
	listed := listInRow(x.inOrder())
	var operations, resources []any
	for i := range listed {
		operations, resources = append(operations, m.Service+":"+audit.Cut(listed[i].Operation)), append(resources, audit.CutResource(listed[i].Resource))
	}
	if withResources {
		operations = slices.Compact(operations)
		x.detail("resources", resources)
	}
	x.detail("operations", operations)
	if len(listed) < len(m.Calls) {
		x.detail(callsTotal, int64(len(m.Calls)))
	}
}

// listInRow are those of the calls that a row lists.
func listInRow(calls []policy.Call) []policy.Call {
	listed, _ := listCalls(calls, services.RowBytes)
	return listed[:min(len(listed), maxListed)]
}

// inOrder are the calls in the order in which the trail lists them: what the policy
// refuses, what gives or plants a credential and what takes the most come first, so
// that what a list has no room for is the least of it.
func (x *exchange) inOrder() []policy.Call {
	type ranked struct {
		call   *policy.Call
		denied int
	}
	all := make([]ranked, len(x.meaning.Calls))
	refused := x.decided && x.decision.Effect != policy.Allow && len(all) > 1
	for i := range all {
		all[i].call = &x.meaning.Calls[i]
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

// recordBeside records what the row has no room for, before the request leaves: the lists of
// its service, and each operation with what it acts on.
func (x *exchange) recordBeside() *refusal {
	if v, ok := x.visit.(services.Besider); ok {
		for _, list := range v.Beside() {
			if refusal := x.recordEvent(list.Type, list.Key, list.Items); refusal != nil {
				return refusal
			}
		}
	}
	if x.details[callsTotal] == nil {
		return nil
	}
	calls := x.inOrder()
	for rest := calls[len(listInRow(calls)):]; len(rest) > 0; {
		var now []policy.Call
		now, rest = listCalls(rest, services.EventBytes)
		list := make([]any, len(now))
		for i := range now {
			one := map[string]any{"operation": x.meaning.Service + ":" + audit.Cut(now[i].Operation)}
			if now[i].Resource != "" {
				one["resource"] = audit.CutResource(now[i].Resource)
			}
			list[i] = one
		}
		if refusal := x.recordEvent(audit.TypeCalls, "calls", list); refusal != nil {
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
	if err := x.p.trail.Record(context.WithoutCancel(x.flow.Context()), event); err != nil {
		return x.p.clerk.unrecorded(x.id, err)
	}
	return nil
}
