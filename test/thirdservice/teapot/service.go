package teapot

import (
	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services"
)

// Key is what policies and the trail call it.
const Key = "teapot"

// Service is every teapot.
type Service struct{}

// Key implements [services.Service].
func (Service) Key() string { return Key }

// Kinds implements [services.Service].
func (Service) Kinds() []credentials.Kind {
	return []credentials.Kind{{Name: ticketKind, Keys: []string{"secret", "hosts"}, Decode: decodeTicket}}
}

// RequestIDs implements [services.Namer]: by this number an exchange is found again.
func (Service) RequestIDs() []string { return []string{"Teapot-Order"} }

// Sites implements [services.Service]: a teapot is where a ticket goes.
func (Service) Sites(f services.Files) services.Sites {
	var s sites
	for _, name := range f.Credentials.Names() {
		if c := f.Credentials.Lookup(name); c.Kind() == ticketKind {
			s = append(s, c.Hosts()...)
		}
	}
	return s
}

type sites []host.Pattern

// Find implements [services.Sites].
func (s sites) Find(line *services.Line) services.Visit {
	for _, p := range s {
		if p.Matches(line.Authority, 443) {
			return &visit{line: line}
		}
	}
	return nil
}

// Narrow implements [services.Narrower]: a ticket is for one order.
func (sites) Narrow(n *services.Need, to services.Visit) (bare bool, err error) {
	v, ok := to.(*visit)
	if !ok || v.order == "" {
		return false, &services.Denied{Detail: "A ticket is for an order, and this request is none."}
	}
	n.Use.Transport, _ = n.Errands()
	n.Use.For = v.order
	return false, nil
}
