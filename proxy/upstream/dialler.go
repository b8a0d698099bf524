package upstream

import (
	"context"
	"crypto/tls"
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

// ErrAddress is in the error for an address that must not be dialled.
var ErrAddress = errors.New("address is not allowed")

// dialler opens every connection to an upstream. The address is checked after
// resolution, on the socket that is about to connect, so that no second lookup
// can differ from the one that was judged.
type dialler struct {
	settings *Settings
	own      func() []netip.AddrPort // Sallyport's own listeners
}

func (d *dialler) dial(ctx context.Context, a host.Authority) (net.Conn, error) {
	if parent := d.settings.parentOf(a); parent != nil {
		return d.through(ctx, parent, a)
	}
	address, given := d.settings.destination(a)
	conn, err := d.open(ctx, address, func(actual string) error { return d.check(a, actual, given) })
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", a, err)
	}
	return conn, nil
}

// open opens a connection. check judges the address on the socket that is about to connect.
func (d *dialler) open(ctx context.Context, address string, check func(actual string) error) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:        dialTimeout,
		KeepAlive:      30 * time.Second,
		ControlContext: func(_ context.Context, _, actual string, _ syscall.RawConn) error { return check(actual) },
	}
	return dialer.DialContext(ctx, "tcp", address)
}

// checkOwn refuses Sallyport's own listeners.
func (d *dialler) checkOwn(actual string) error {
	to, err := netip.ParseAddrPort(actual)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", ErrAddress, actual)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if slices.ContainsFunc(d.own(), func(own netip.AddrPort) bool { return reaches(to, own) }) {
		return fmt.Errorf("%w: it is Sallyport's own listener", ErrAddress)
	}
	return nil
}

func (d *dialler) check(a host.Authority, actual string, given netip.AddrPort) error {
	if err := d.checkOwn(actual); err != nil {
		return err
	}
	to, _ := netip.ParseAddrPort(actual)
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if given.IsValid() && to == netip.AddrPortFrom(given.Addr().Unmap(), given.Port()) {
		return nil
	}
	if host.GloballyReachable(to.Addr()) || d.settings.allows(a, to.Addr()) {
		return nil
	}
	return fmt.Errorf("%w: it is not globally reachable", ErrAddress)
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

// handshake is what of one differs between the ways on which it is made.
type handshake struct {
	sessions  tls.ClientSessionCache
	shows     *tls.Certificate // to an upstream that asks for one; nil for none
	protocols []string
}

func (h handshake) offering(protocols ...string) handshake {
	h.protocols = protocols
	return h
}

// secure performs the TLS handshake with an upstream. TLS 1.2 is the least that
// RFC 9325 allows.
func (d *dialler) secure(ctx context.Context, conn net.Conn, a host.Authority, h handshake) (*tls.Conn, error) {
	roots, err := d.settings.rootsFor(a)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		ServerName:         a.Name.String(),
		NextProtos:         h.protocols,
		ClientSessionCache: h.sessions,
	}
	if h.shows != nil {
		// Whatever authorities the upstream names: it says best itself that it wants another one.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return h.shows, nil }
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS with %s: %w", a, err)
	}
	return secured, nil
}
