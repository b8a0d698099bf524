package policy

import (
	"fmt"
	"slices"

	"sallyport/internal/glob"
	"sallyport/internal/host"
)

// Place says to which of a service's servers a clause applies. The zero Place means all of
// them.
type Place struct {
	Server string         // by its name; "" for every one
	Hosts  []host.Pattern // that the rule's credential is bound to; none for any
}

func (p *Place) has(server string, a host.Authority) bool {
	return (p.Server == "" || p.Server == server) && p.hasHost(a)
}

func (p *Place) hasHost(a host.Authority) bool {
	return len(p.Hosts) == 0 || slices.ContainsFunc(p.Hosts, func(h host.Pattern) bool { return h.Matches(a, httpsPort) })
}

// why says why the place does not have a request.
func (p *Place) why(server string, a host.Authority) string {
	if p.Server != "" && p.Server != server {
		return fmt.Sprintf("the rule means %s, not %s", p.Server, server)
	}
	return fmt.Sprintf("the rule's credential is not bound to %s, so that the rule does not mean it", a)
}

// Meets reports whether some request goes to both.
func (p *Place) Meets(o *Place) bool {
	meet := func(a, b host.Pattern) bool { return a.Reduce(httpsPort).Overlaps(b.Reduce(httpsPort)) }
	return p.Server == o.Server && glob.MeetAny(p.Hosts, o.Hosts, meet)
}

// servers are those that it names, as patterns where hosts say them.
func (p *Place) servers() []string {
	list := make([]string, 0, len(p.Hosts)+1)
	if p.Server != "" {
		list = append(list, p.Server)
	}
	for _, h := range p.Hosts {
		list = append(list, h.String())
	}
	return list
}
