// Package authfield knows where clients say who they are: the header fields, query
// parameters and subprotocols in which services take keys, tokens and sessions, and those
// in which a proxy in front of a service tells it who is asking.
//
// An agent has no identity at an upstream but the one that Sallyport gives it. What it
// sends in one of these places is a placeholder, or somebody's secret: an attacker's own
// key, say, with which the agent was talked into storing data at a host that it may reach.
//
// The package promises that one table says it for the proxy, which removes these fields,
// for policies and the trail, which keep none of them, and for docs/policy.md. A second one
// says where else secrets stand, which the trail does not keep either. It holds no state and
// reads nothing.
package authfield

import (
	"net/textproto"
	"slices"
	"strings"
)

// Service is a service, or a kind of them, and where it takes who is asking.
type Service struct {
	Name    string
	Headers []string // in canonical form
	// Parameters of the query, as Fold writes them. They are read at the hosts of Domains,
	// or at all hosts if there are none: "key" is a secret for Google and a word elsewhere.
	Parameters []string
	Domains    []string
	// Subprotocols are what names in Sec-WebSocket-Protocol begin with that are secrets:
	// browsers can set no other field.
	Subprotocols []string
}

// Table is Services, and what a configuration adds to them, ready to be asked for every
// request. It is immutable.
type Table struct {
	headers      map[string]struct{}
	anywhere     map[string]struct{}
	at           map[string]map[string]struct{} // parameters by domain
	subprotocols []string
}

// New returns the table with further headers and parameters, such as those that
// configured credentials are written in.
func New(headers, parameters []string) *Table {
	t := &Table{headers: map[string]struct{}{}, anywhere: map[string]struct{}{}, at: map[string]map[string]struct{}{}}
	for _, s := range append(Services(), Service{Headers: headers, Parameters: parameters}) {
		for _, name := range s.Headers {
			t.headers[textproto.CanonicalMIMEHeaderKey(name)] = struct{}{}
		}
		for _, name := range s.Parameters {
			t.place(s.Domains, Fold(name))
		}
		t.subprotocols = append(t.subprotocols, s.Subprotocols...)
	}
	return t
}

func (t *Table) place(domains []string, parameter string) {
	if len(domains) == 0 {
		t.anywhere[parameter] = struct{}{}
	}
	for _, domain := range domains {
		if t.at[domain] == nil {
			t.at[domain] = map[string]struct{}{}
		}
		t.at[domain][parameter] = struct{}{}
	}
}

// Header reports whether a field says who is asking, by the name that it may be taken for.
func (t *Table) Header(name string) bool {
	_, found := t.headers[FoldHeader(name)]
	return found
}

// Parameter reports whether a parameter of the query, by its decoded name, says to a host
// who is asking. The host is in lower case.
func (t *Table) Parameter(host, name string) bool {
	name = Fold(name)
	if _, found := t.anywhere[name]; found {
		return true
	}
	for found := true; found; _, host, found = strings.Cut(host, ".") {
		if _, there := t.at[host][name]; there {
			return true
		}
	}
	return false
}

// Subprotocols returns values of Sec-WebSocket-Protocol without what in them is a secret.
// They come back as they are if nothing is.
func (t *Table) Subprotocols(values []string) []string {
	secret := func(name string) bool {
		return slices.ContainsFunc(t.subprotocols, func(prefix string) bool {
			return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
		})
	}
	var kept []string
	removed := false
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); secret(name) {
				removed = true
			} else {
				kept = append(kept, name)
			}
		}
	}
	switch {
	case !removed:
		return values
	case len(kept) == 0:
		return nil
	}
	return []string{strings.Join(kept, ", ")}
}
