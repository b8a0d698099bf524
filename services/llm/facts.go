package llm

import (
	"strings"

	"sallyport/policy"
)

// facts are what a call of a provider's has beyond what every call has ([policy.Call]).
type facts struct {
	Model   source
	Writes  bool     // the model writes an answer
	Most    int64    // tokens that it may have
	Tools   []string // that run on the provider's side
	Doubt   string   // what of the request may mean more models or tools; "" for nothing
	Unknown string   // a type of tools that is not known; "" for none
}

// factsOf are the call's; those of a request that bounds nothing for a call that has none.
func factsOf(c *policy.Call) *facts {
	if f, ok := c.Facts.(*facts); ok {
		return f
	}
	return &facts{Most: unbounded, Model: unseen, Writes: true}
}

// String is what the request has beside its model, for a sentence.
func (f *facts) String() string { return strings.Join(f.Tools, ", ") }

// call is an operation in the words of policies.
func (p *provider) call(o *operation) policy.Call {
	return policy.Call{
		Operation: p.name + "/" + o.name, Access: o.access,
		Facts: &facts{Model: o.model, Writes: o.writes, Most: unbounded},
	}
}

// meaning is a request in the words of policies.
func (p *provider) meaning(r *request) policy.Meaning {
	c := p.call(r.operation)
	c.Resource = r.model
	c.Facts = &facts{
		Model: r.operation.model, Writes: r.operation.writes, Most: r.most,
		Tools: r.tools, Doubt: r.doubt, Unknown: r.unknown,
	}
	return policy.Meaning{Service: Key, Server: p.name, Calls: []policy.Call{c}}
}
