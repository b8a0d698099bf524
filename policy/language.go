package policy

import "sallyport/internal/yamldoc"

// Language is what Parse is told of a service that rules can name, because this package
// knows none: its key in a rule, what stands under that, and how questions are read. It is
// immutable and safe for concurrent use.
//
// What only some languages have are interfaces of one or two methods, found by assertion:
// [Signer], [Pinner], [Relater].
type Language interface {
	Words() Words
	// Clause compiles what stands under the key, and reports what is wrong at the node where
	// it stands. The node is a mapping with keys of Words alone, one at least.
	Clause(n *yamldoc.Node, h Header) Clause
	// Meaning names what a request does, as far as its method, URL and host tell. It is nil
	// if the request goes to none of the servers.
	Meaning(q Query, servers []string) *Meaning
	// Question reads a question in the service's own words; ok is false if the text is in
	// another form.
	Question(text string, servers []string) (q Query, ok bool, err error)
}

// Words are what this package says of a service in its sentences, and looks for in files.
type Words struct {
	Key      string   // of its rules: "teapot"
	Title    string   // for sentences: "the teapot"
	Keys     []string // of its clause
	Limiting []string // those of its keys that say how much a rule lets out
	Example  string   // what a rule of it says: "{operations: [brew], access: write}"
	Default  string   // the server that a rule means which names none; empty for every one
	// Signed: nothing goes to it without a credential, so that a rule which lets
	// something out has one.
	Signed bool
}

// Header is what a rule says around its clause.
type Header struct {
	Effect     Effect
	Credential string // "" for none
	Pinned     Scope  // what the rule says beside the clause of a credential that is made for it; nil for nothing
}

// Signer is a Language with credentials that sign requests. What is signed is sent in another
// form: encoded slashes become slashes, and a plus stands for itself. A rule about hosts with
// such a credential must match both forms.
type Signer interface{ Signs(credential string) bool }

// Pinner is a Language with keys of a rule, beside its effect, that say what a credential
// made for it may do.
type Pinner interface {
	PinKeys() []string
	// Pin reads them; nil if the rule has none.
	Pin(rule *yamldoc.Node, credential string) Scope
}

// Relater is a Language in which one rule's clause changes what another rule allows. It is
// asked once all rules of a policy are compiled.
type Relater interface {
	Relate(clauses []Ruled) Relation
}

// Relation is what the clauses of one policy say together. It is immutable.
type Relation interface {
	// Bound returns why only a rule that names the call's operation exactly may allow it;
	// rules about hosts may not. It is nil if there is no such reason.
	Bound(server string, c *Call) Bound
}

// Bound is why a call has to be named exactly.
type Bound interface {
	// Why is the explanation of a rule that does not match because of it.
	Why(c *Call) string
	// Refusal completes the sentence that tells an agent that no rule allows the call. It
	// begins with "which"; "" adds nothing.
	Refusal(c *Call) string
}

// Ruled is a clause with what its rule says around it.
type Ruled struct {
	Rule       string
	Line       int
	Effect     Effect
	Credential string
	Clause     Clause
}

// Clauses lists the rules about a service, in the order of the file.
func (p *Policy) Clauses(key string) []Ruled {
	if p == nil {
		return nil
	}
	return clausesOf(p.rules, key)
}

func clausesOf(rules []rule, key string) (list []Ruled) {
	for i := range rules {
		r := &rules[i]
		if m, ok := r.matcher.(*serviceRule); ok && m.key == key {
			list = append(list, Ruled{r.name, r.line, r.effect, r.credential, m.clause})
		}
	}
	return list
}

// related is the Relation of one service's clauses.
type related struct {
	key string
	Relation
}

// relate asks each language that is a Relater and has a clause in the policy.
func relate(languages []Language, rules []rule) (all []related) {
	for _, l := range languages {
		if r, ok := l.(Relater); ok {
			key := l.Words().Key
			if clauses := clausesOf(rules, key); len(clauses) > 0 {
				all = append(all, related{key, r.Relate(clauses)})
			}
		}
	}
	return all
}

// relation is that of the clauses about a service; nil if there is none.
func (p *Policy) relation(key string) Relation {
	for i := range p.related {
		if p.related[i].key == key {
			return p.related[i].Relation
		}
	}
	return nil
}
