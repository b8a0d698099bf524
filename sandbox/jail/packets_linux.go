package jail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"sallyport/sandbox/catch"
)

// packet is what is told by a packet that had nowhere to go.
type packet struct {
	protocol string
	from, to netip.AddrPort
}

// packetSocket sees what nobody in the jail takes: datagrams, and the resets by which the
// kernel answers connections to ports where nobody listens.
func packetSocket() (*os.File, error) {
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // nothing arrives before the filter is there
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	program := packetFilter()
	err = errors.Join(
		unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}), //nolint:gosec // a short list
		unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20),
		unix.Bind(s, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)}),
		unix.SetNonblock(s, true),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set a packet socket up: %w", err), unix.Close(s))
	}
	return os.NewFile(uintptr(s), socketPackets), nil
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

// packetFilter lets through, of what leaves for another address than the jail's own: all but
// TCP that is no reset and ICMP, which only the kernel sends here.
func packetFilter() filter {
	drop, take := answers(0), uint32(256)
	var f filter
	f.load(0)
	f.and(0xf0000000)
	f.when(0x40000000, func(b *filter) {
		b.octet(9) // the protocol
		b.when(unix.IPPROTO_ICMP, drop)
		b.when(unix.IPPROTO_TCP, func(b *filter) {
			b.octet(12) // it answers for the address that was meant
			b.when(127, drop)
			*b = append(*b,
				unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // the length of the header
				unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 13})
			b.and(4) // RST
			b.when(0, drop)
			b.answer(take)
		})
		b.octet(16)
		b.when(127, drop)
		b.answer(take)
	})
	f.octet(6)
	f.when(unix.IPPROTO_ICMPV6, drop)
	f.when(unix.IPPROTO_TCP, func(b *filter) {
		b.load(8)
		b.when(0, drop) // ::1
		b.octet(40 + 13)
		b.and(4)
		b.when(0, drop)
		b.answer(take)
	})
	f.load(24)
	f.when(0, drop)
	f.answer(take)
	return f
}

func (f *filter) octet(at uint32) {
	*f = append(*f, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: at})
}

// parsePacket reads what came through the filter.
func parsePacket(b []byte) (packet, bool) {
	var p packet
	var protocol byte
	var from, to netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		protocol = b[9]
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[min(len(b), int(b[0]&0xf)*4):]
	case len(b) >= 40 && b[0]>>4 == 6:
		protocol = b[6]
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b = b[40:]
	default:
		return p, false
	}
	var sent, received uint16
	if (protocol == unix.IPPROTO_TCP || protocol == unix.IPPROTO_UDP) && len(b) >= 4 {
		sent, received = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	p = packet{"udp", netip.AddrPortFrom(from, sent), netip.AddrPortFrom(to, received)}
	switch protocol {
	case unix.IPPROTO_TCP:
		if len(b) < 8 || binary.BigEndian.Uint32(b[4:]) != 0 {
			return p, false // a connection that was there is reset (RFC 9293, section 3.5.2)
		}
		p = packet{"tcp", p.to, p.from}
	case unix.IPPROTO_UDP:
	default:
		p.protocol = fmt.Sprintf("ip protocol %d", protocol)
	}
	return p, true
}

// watch tells what the packet socket sees, until that is closed.
func (p *Process) watch(packets *os.File) {
	conn, err := packets.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 256)
	for {
		var n int
		var from unix.Sockaddr
		var failed error
		err := conn.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(failed, unix.EAGAIN)
		})
		if err != nil {
			return
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); failed != nil || !ok || ll.Pkttype != unix.PACKET_OUTGOING {
			continue // on a loopback everything leaves and arrives
		}
		if seen, ok := parsePacket(buf[:n]); ok {
			p.unanswered(seen)
		}
	}
}

// unanswered tells of one try.
func (p *Process) unanswered(seen packet) {
	a := catch.Attempt{Protocol: seen.protocol, Address: seen.to, Program: p.programs.to(seen.to), Reason: catch.ReasonPort}
	if seen.protocol != "tcp" {
		a.Reason = catch.ReasonProtocol
	}
	if name, ok := p.names.Name(seen.to.Addr()); ok {
		a.Name = name.String()
	}
	p.blocked(a)
}
