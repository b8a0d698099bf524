package aws

import (
	"sync"

	"sallyport/credentials"
	"sallyport/internal/host"
	"sallyport/services"
	"sallyport/services/aws/session"
)

// Key is what policies and the trail call AWS, and whoever speaks its protocols.
const Key = "aws"

// Service is AWS. It has no state.
type Service struct{}

// New returns the service.
func New() *Service { return &Service{} }

// Key implements [services.Service].
func (*Service) Key() string { return Key }

// Kinds implements [services.Service].
func (*Service) Kinds() []credentials.Kind { return session.Kinds() }

// RequestIDs implements [services.Namer].
func (*Service) RequestIDs() []string { return []string{"X-Amzn-Requestid", "X-Amz-Request-Id"} }

// Sites implements [services.Service].
func (*Service) Sites(f services.Files) services.Sites {
	s := &sites{}
	for _, name := range f.Credentials.Names() {
		if c := f.Credentials.Lookup(name); c.Signs() {
			s.stores = append(s.stores, c.Hosts()...)
			for _, one := range session.Serving(c) {
				s.served = append(s.served, one.Hosts)
			}
		}
	}
	return s
}

// sites are AWS's own hosts, and the stores that one generation's credentials are bound to.
type sites struct {
	stores    []host.Pattern
	served    []host.Pattern // of which a credential says what they are signed for
	documents sync.Map       // session policies by policy and credential
}

// Find implements [services.Sites].
func (s *sites) Find(line *services.Line) services.Visit {
	at := findSite(line.Authority, s.stores, s.served)
	if at == nil {
		return nil
	}
	return &visit{line: line, site: at}
}
