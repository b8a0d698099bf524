package upstream

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"

	"sallyport/internal/host"
)

// RootSet is a set of certificate authorities that are trusted beside the
// system's, for all hosts or for those that match Hosts.
type RootSet struct {
	Certificates []*x509.Certificate
	Hosts        []host.Pattern // empty: every host
}

// Network is a range of addresses that may be dialled although it is not
// globally reachable, for all hosts or for those that match Hosts.
type Network struct {
	Prefix netip.Prefix
	Hosts  []host.Pattern // empty: every host
}

// Settings say how connections to upstreams are opened. They are immutable and safe for
// concurrent use; the zero value dials globally reachable addresses and trusts the
// system's authorities.
type Settings struct {
	roots    *x509.CertPool // nil: the system's
	rootSets []RootSet      // those that name hosts
	resolve  map[host.Authority]string
	networks []Network
	parent   *Parent // nil for none
}

// NewSettings returns the settings of a configuration. resolve maps an authority to
// the "address:port" or "name:port" that is dialled in its place; TLS still
// verifies the authority's own name. It fails if roots add to the system's
// authorities and these cannot be loaded. It keeps what it is given.
func NewSettings(roots []RootSet, resolve map[host.Authority]string, networks []Network) (*Settings, error) {
	s := &Settings{resolve: resolve, networks: networks}
	for _, set := range roots {
		if len(set.Hosts) > 0 {
			s.rootSets = append(s.rootSets, set)
			continue
		}
		if err := extend(&s.roots, set.Certificates); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// extend adds to a pool, which begins as the system's.
func extend(pool **x509.CertPool, certificates []*x509.Certificate) error {
	if *pool == nil {
		system, err := x509.SystemCertPool()
		if err != nil {
			return fmt.Errorf("load system roots: %w", err)
		}
		*pool = system
	}
	for _, c := range certificates {
		(*pool).AddCert(c)
	}
	return nil
}

// rootsFor returns the roots that the certificate of a must chain to; nil means
// the system's.
func (s *Settings) rootsFor(a host.Authority) (*x509.CertPool, error) {
	roots, shared := s.roots, true
	for _, set := range s.rootSets {
		if !matchesAny(set.Hosts, a) {
			continue
		}
		if shared && roots != nil {
			roots = roots.Clone()
		}
		shared = false
		if err := extend(&roots, set.Certificates); err != nil {
			return nil, err
		}
	}
	return roots, nil
}

func matchesAny(patterns []host.Pattern, a host.Authority) bool {
	// Port 0: a pattern without a port covers the host on any port here,
	// because these lists say whom to trust, not what is allowed.
	return slices.ContainsFunc(patterns, func(p host.Pattern) bool { return p.Matches(a, 0) })
}

// destination returns what to dial for a, and whether the configuration gives
// it as an address, which then needs no further permission.
func (s *Settings) destination(a host.Authority) (address string, given netip.AddrPort) {
	address, found := s.resolve[a]
	if !found {
		return a.String(), netip.AddrPort{}
	}
	given, err := netip.ParseAddrPort(address)
	if err != nil {
		return address, netip.AddrPort{}
	}
	return address, given
}

func (s *Settings) allows(a host.Authority, ip netip.Addr) bool {
	return slices.ContainsFunc(s.networks, func(n Network) bool {
		return n.Prefix.Contains(ip) && (len(n.Hosts) == 0 || matchesAny(n.Hosts, a))
	})
}
