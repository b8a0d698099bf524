package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"sallyport/internal/host"
)

// Deadlines of the way to an upstream.
const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
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

// Upstream says how connections to upstreams are opened. It is immutable.
type Upstream struct {
	roots    *x509.CertPool // nil: the system's
	rootSets []RootSet      // those that name hosts
	resolve  map[host.Authority]string
	networks []Network
}

// NewUpstream builds the upstream configuration. resolve maps an authority to
// the "address:port" or "name:port" that is dialled in its place; TLS still
// verifies the authority's own name.
func NewUpstream(roots []RootSet, resolve map[host.Authority]string, networks []Network) (*Upstream, error) {
	u := &Upstream{resolve: resolve, networks: networks}
	for _, set := range roots {
		if len(set.Hosts) > 0 {
			u.rootSets = append(u.rootSets, set)
			continue
		}
		if err := u.extend(&u.roots, set.Certificates); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *Upstream) extend(pool **x509.CertPool, certificates []*x509.Certificate) error {
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
func (u *Upstream) rootsFor(a host.Authority) (*x509.CertPool, error) {
	roots, shared := u.roots, true
	for _, set := range u.rootSets {
		if !matchesAny(set.Hosts, a) {
			continue
		}
		if shared && roots != nil {
			roots = roots.Clone()
		}
		shared = false
		if err := u.extend(&roots, set.Certificates); err != nil {
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

// errAddress is what the dialler answers for an address that must not be dialled.
var errAddress = errors.New("address is not allowed")

// dialler opens every connection to an upstream. The address is checked after
// resolution, on the socket that is about to connect, so that no second lookup
// can differ from the one that was judged.
type dialler struct {
	upstream *Upstream
	own      func() []netip.AddrPort // Sallyport's own listeners
}

func (d *dialler) dial(ctx context.Context, a host.Authority) (net.Conn, error) {
	address, given := d.upstream.destination(a)
	dialer := net.Dialer{
		Timeout:   dialTimeout,
		KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, actual string, _ syscall.RawConn) error {
			return d.check(a, actual, given)
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", a, err)
	}
	return conn, nil
}

// destination returns what to dial for a, and whether the configuration gives
// it as an address, which then needs no further permission.
func (u *Upstream) destination(a host.Authority) (address string, given netip.AddrPort) {
	address, found := u.resolve[a]
	if !found {
		return a.String(), netip.AddrPort{}
	}
	given, err := netip.ParseAddrPort(address)
	if err != nil {
		return address, netip.AddrPort{}
	}
	return address, given
}

func (d *dialler) check(a host.Authority, actual string, given netip.AddrPort) error {
	to, err := netip.ParseAddrPort(actual)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", errAddress, actual)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if slices.ContainsFunc(d.own(), func(own netip.AddrPort) bool { return reaches(to, own) }) {
		return fmt.Errorf("%w: it is Sallyport's own listener", errAddress)
	}
	if given.IsValid() && to == netip.AddrPortFrom(given.Addr().Unmap(), given.Port()) {
		return nil
	}
	if host.GloballyReachable(to.Addr()) || d.upstream.allows(a, to.Addr()) {
		return nil
	}
	return fmt.Errorf("%w: it is not globally reachable", errAddress)
}

func (u *Upstream) allows(a host.Authority, ip netip.Addr) bool {
	return slices.ContainsFunc(u.networks, func(n Network) bool {
		return n.Prefix.Contains(ip) && (len(n.Hosts) == 0 || matchesAny(n.Hosts, a))
	})
}

// reaches reports whether a connection to the address arrives at the listener,
// which may listen on every address of this host.
func reaches(to, listener netip.AddrPort) bool {
	if to.Port() != listener.Port() {
		return false
	}
	own := listener.Addr().Unmap()
	if to.Addr() == own || to.Addr().IsUnspecified() && own.IsLoopback() {
		return true
	}
	return own.IsUnspecified() && isLocal(to.Addr())
}

func isLocal(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true // cannot tell, so it may be ours
	}
	return slices.ContainsFunc(addresses, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip
	})
}

// secure performs the TLS handshake with an upstream. TLS 1.2 is the least that
// RFC 9325 allows.
func (d *dialler) secure(ctx context.Context, conn net.Conn, a host.Authority, sessions tls.ClientSessionCache, protocols []string) (*tls.Conn, error) {
	roots, err := d.upstream.rootsFor(a)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	secured := tls.Client(conn, &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		ServerName:         a.Name.String(),
		NextProtos:         protocols,
		ClientSessionCache: sessions,
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", a, err)
	}
	return secured, nil
}
