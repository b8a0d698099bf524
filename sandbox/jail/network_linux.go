package jail

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The names of the sockets that leave the jail.
const (
	socketCatch   = "catch"
	socketNames   = "names"
	socketNamesIn = "names-tcp"
	socketProxy   = "proxy"
	socketPackets = "packets"
	socketUnix    = "unix"
	socketAsked   = "asked"
)

// resolverPort is where names are asked for (RFC 1035, section 4.2).
const resolverPort = "53"

// loopbackOnly sets up the network of the jail: the loopback is up, and every
// address is on it. Without that a try would fail with "network is unreachable",
// and nobody would see it.
func loopbackOnly() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("look at the loopback: %w", err)
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer leave(s)
	// Opening a connection with its first data would pass by connect(2), which is watched.
	_ = os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("0"), 0)
	if err := netlink(s, unix.RTM_NEWLINK, linkUp(lo.Index)); err != nil {
		return fmt.Errorf("bring the loopback up: %w", err)
	}
	if err := netlink(s, unix.RTM_NEWROUTE, localRoute(unix.AF_INET, lo.Index)); err != nil {
		return fmt.Errorf("make all addresses local: %w", err)
	}
	// A kernel without IPv6 has none to make local.
	_ = netlink(s, unix.RTM_NEWROUTE, localRoute(unix.AF_INET6, lo.Index))
	return nil
}

// linkUp is struct ifinfomsg (rtnetlink(7)).
func linkUp(index int) []byte {
	b := []byte{unix.AF_UNSPEC, 0, 0, 0}
	b = binary.NativeEndian.AppendUint32(b, uint32(index)) //nolint:gosec // an index is small
	b = binary.NativeEndian.AppendUint32(b, unix.IFF_UP)
	return binary.NativeEndian.AppendUint32(b, unix.IFF_UP)
}

// localRoute is struct rtmsg and the attribute RTA_OIF: `ip route add local default dev lo`.
func localRoute(family byte, index int) []byte {
	b := []byte{family, 0, 0, 0, unix.RT_TABLE_LOCAL, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}
	if family == unix.AF_INET6 {
		b[6] = unix.RT_SCOPE_UNIVERSE
	}
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = binary.NativeEndian.AppendUint16(b, unix.RTA_OIF)
	return binary.NativeEndian.AppendUint32(b, uint32(index)) //nolint:gosec // an index is small
}

// netlink sends one request and waits for its acknowledgement (netlink(7)).
func netlink(s int, kind uint16, body []byte) error {
	flags := uint16(unix.NLM_F_REQUEST | unix.NLM_F_ACK)
	if kind == unix.RTM_NEWROUTE {
		flags |= unix.NLM_F_CREATE
	}
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(body))) //nolint:gosec // a few bytes
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = append(b, make([]byte, 8)...)
	if err := unix.Sendto(s, append(b, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	reply := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(s, reply, 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(reply[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("the kernel answered with %d bytes that are no acknowledgement", n)
	}
	if code := int32(binary.NativeEndian.Uint32(reply[unix.NLMSG_HDRLEN:])); code != 0 { //nolint:gosec // that is what it is
		return unix.Errno(-code)
	}
	return nil
}

// made is a socket of the jail on its way out.
type made struct {
	name string
	file *os.File
}

// makeSockets makes all that the supervisor serves.
func makeSockets(ports []uint16) ([]made, error) {
	var all []made
	keep := func(name string, s any, failed error) error {
		if failed != nil {
			return fmt.Errorf("listen in the jail: %w", failed)
		}
		file, ok := s.(interface{ File() (*os.File, error) })
		if !ok {
			return fmt.Errorf("hand a socket over: %T has no file", s)
		}
		f, err := file.File()
		all = append(all, made{name, f})
		return err
	}
	ctx, config := context.Background(), net.ListenConfig{}
	for _, port := range ports {
		l, err := config.Listen(ctx, "tcp", ":"+strconv.Itoa(int(port)))
		if err := keep(socketCatch, l, err); err != nil {
			return nil, err
		}
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		udp, err := config.ListenPacket(ctx, "udp", net.JoinHostPort(ip, resolverPort))
		if err != nil && ip == "::1" {
			break // there is no IPv6
		}
		if err := keep(socketNames, udp, err); err != nil {
			return nil, err
		}
		tcp, err := config.Listen(ctx, "tcp", net.JoinHostPort(ip, resolverPort))
		if err := keep(socketNamesIn, tcp, err); err != nil {
			return nil, err
		}
	}
	proxy, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err := keep(socketProxy, proxy, err); err != nil {
		return nil, err
	}
	packets, err := packetSocket()
	if err != nil {
		return nil, err
	}
	diagnosis, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return append(all, made{socketPackets, packets}, made{socketUnix, os.NewFile(uintptr(diagnosis), socketUnix)}), nil
}
