package proxy

import (
	"cmp"
	"iter"
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

// listCallsInRow puts what a request does into its row when it does several things.
// Names are as long as their sender wants them, so that bytes are counted too.
func listCallsInRow(r *row, service string, calls []policy.Call, withResources bool) {
	listed := listInRow(calls)
	var operations, resources []any
	for i := range listed {
		operations, resources = append(operations, service+":"+audit.Cut(listed[i].Operation)), append(resources, audit.CutResource(listed[i].Resource))
	}
	if withResources {
		operations = slices.Compact(operations)
		r.detail("resources", resources)
	}
	r.detail("operations", operations)
	if len(listed) < len(calls) {
		r.detail(callsTotal, int64(len(calls)))
	}
}

// listInRow are those of the calls that a row lists.
func listInRow(calls []policy.Call) []policy.Call {
	listed, _ := listCalls(calls, services.RowBytes)
	return listed[:min(len(listed), maxListed)]
}

// inOrder are calls in the order in which the trail lists them: what the policy
// refuses, what gives or plants a credential and what takes the most come first, so
// that what a list has no room for is the least of it.
func inOrder(all []policy.Call, refused func(call int) bool) []policy.Call {
	type ranked struct {
		call   *policy.Call
		denied int
	}
	order := make([]ranked, len(all))
	for i := range order {
		order[i].call = &all[i]
		if refused(i) {
			order[i].denied = 1
		}
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.denied, a.denied), cmp.Compare(b.call.Access, a.call.Access), compareBool(b.call.Credential, a.call.Credential))
	})
	calls := make([]policy.Call, len(order))
	for i := range order {
		calls[i] = *order[i].call
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

// beside are the lists that the row has no room for, one after the other: those of the
// request's service, and each operation with what it acts on.
func (d *reading) beside(r *row, calls func() []policy.Call) iter.Seq[services.List] {
	return func(yield func(services.List) bool) {
		if v, ok := d.visit.(services.Besider); ok {
			for _, list := range v.Beside() {
				if !yield(list) {
					return
				}
			}
		}
		if r.intent.Details[callsTotal] == nil {
			return
		}
		all := calls()
		for rest := all[len(listInRow(all)):]; len(rest) > 0; {
			var now []policy.Call
			now, rest = listCalls(rest, services.EventBytes)
			if !yield(services.List{Type: audit.TypeCalls, Key: "calls", Items: d.itemsOf(now)}) {
				return
			}
		}
	}
}

// itemsOf are calls as an event lists them.
func (d *reading) itemsOf(calls []policy.Call) []any {
	items := make([]any, len(calls))
	for i := range calls {
		one := map[string]any{"operation": d.meaning.Service + ":" + audit.Cut(calls[i].Operation)}
		if calls[i].Resource != "" {
			one["resource"] = audit.CutResource(calls[i].Resource)
		}
		items[i] = one
	}
	return items
}
