package sidecar

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Listen opens where clients connect: HOST:PORT with a loopback or other local
// address (port 0 takes a free one), or unix:PATH with mode 0600.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			return nil, fmt.Errorf("listen on %q: no path follows the colon", address)
		}
		return listenUnix(ctx, path)
	}
	network := "tcp"
	if a, err := netip.ParseAddrPort(address); err == nil && a.Addr().Is4() {
		network = "tcp4" // or 0.0.0.0 would be every address of IPv6 too
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// Loopback says whether only this host, or this network namespace, can reach the address.
func Loopback(addr net.Addr) bool {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.IP.IsLoopback()
	}
	return addr.Network() == "unix"
}

// URL returns what clients set as their proxy; password "" means none is asked for.
// A Unix socket's URL has the scheme unix and the socket's path.
func URL(addr net.Addr, password string) string {
	u := url.URL{Scheme: "http", Host: addr.String()}
	if addr.Network() == "unix" {
		u = url.URL{Scheme: "unix", Path: addr.String()}
	}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}
