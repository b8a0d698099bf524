package probe

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"golang.org/x/net/dns/dnsmessage"
)

// Places that answer everybody who has a network. Nobody runs a service of a jail there.
//
//nolint:gochecknoglobals // constant lists
var (
	publicTCP = []string{
		"1.1.1.1:53", "1.1.1.1:443", "8.8.8.8:53", "8.8.8.8:443", "[2606:4700:4700::1111]:443", "[2001:4860:4860::8888]:53",
	}
	resolvers        = []string{"1.1.1.1:53", "8.8.8.8:53", "[2606:4700:4700::1111]:53", "[2001:4860:4860::8888]:53"}
	quicServers      = []string{"1.1.1.1:443", "[2606:4700:4700::1111]:443"}
	metadataServices = []string{"169.254.169.254:80", "169.254.170.2:80", "100.100.100.200:80", "[fd00:ec2::254]:80"}
	servicesOfHost   = []string{"22", "80", "443", "2375", "2376", "6443", "10250", "8443"}
)

// ours are the networks from which a jail gives names their addresses.
var ours = []netip.Prefix{ //nolint:gochecknoglobals // a constant list
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("2001:2::/64"),
}

// connects opens a connection and says what no protocol understands. A jail catches
// connections to the web and resets what is none; whoever is really there answers, or
// waits, or ends in an orderly way.
func connects(ctx context.Context, target string) (hole bool, result string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return false, why(err)
	}
	defer conn.Close()
	deadline(ctx, conn)
	if _, err := io.WriteString(conn, "SALLYPORT-PROBE\r\n\r\n"); err != nil {
		return false, why(err)
	}
	switch _, err := conn.Read(make([]byte, 1)); {
	case err == nil:
		return true, "it answered"
	case errors.Is(err, io.EOF):
		return true, "it was connected, and ended the connection in an orderly way"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true, "it was connected"
	default:
		return false, why(err)
	}
}

func deadline(ctx context.Context, conn net.Conn) {
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at.Add(-wait / 3)) // before the context's, so that the one error is told from the other
	}
}

// why is the last part of an error of the network.
func why(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "no answer"
	}
	return err.Error()
}

// exchange sends one datagram and says whether anything came back.
func exchange(ctx context.Context, target string, sent []byte) (hole bool, result string) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", target)
	if err != nil {
		return false, why(err)
	}
	defer conn.Close()
	deadline(ctx, conn)
	if _, err := conn.Write(sent); err != nil {
		return false, why(err)
	}
	if _, err := conn.Read(make([]byte, 1500)); err != nil {
		return false, why(err)
	}
	return true, "it answered"
}

func answersNames(ctx context.Context, target string) (hole bool, result string) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(random(2)), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("example.com."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := m.Pack()
	if err != nil {
		return false, err.Error()
	}
	return exchange(ctx, target, packed)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return b
}

// speaksQUIC sends a packet of a version that is reserved to be answered with the
// versions that there are (RFC 9000, section 6).
func speaksQUIC(ctx context.Context, target string) (hole bool, result string) {
	const shortest = 1200
	packet := append([]byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8}, random(8)...)
	packet = append(packet, 8)
	packet = append(packet, random(8)...)
	return exchange(ctx, target, append(packet, make([]byte, shortest-len(packet))...))
}

// tellsMetadata asks a cloud's service, which has credentials to give. An answer of the
// proxy's is none of it.
func tellsMetadata(ctx context.Context, target string) (hole bool, result string) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return false, why(err)
	}
	defer conn.Close()
	deadline(ctx, conn)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+strings.TrimSuffix(target, ":80")+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false, why(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false, why(err)
	}
	defer answer.Body.Close()
	if strings.HasPrefix(answer.Header.Get("Proxy-Status"), "sallyport") {
		return false, "the proxy answered " + answer.Status
	}
	return true, "it answered " + answer.Status
}

// asksOutside asks for a name that nobody has asked for before. Whoever says that it does
// not exist has asked outside; so could be asked what says something.
func asksOutside(ctx context.Context, _ string) (hole bool, result string) {
	name := strings.ToLower(rand.Text()) + ".example.com"
	addresses, err := new(net.Resolver).LookupNetIP(ctx, "ip", name)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound && missing.Server != "" {
		return true, "it was asked of somebody, by " + missing.Server
	}
	if err != nil {
		return false, why(err)
	}
	for _, a := range addresses {
		if !ours[0].Contains(a.Unmap()) && !ours[1].Contains(a) {
			return true, "it was answered with " + a.String()
		}
	}
	return false, "a jail's resolver answered"
}

// gateways are services of the machine that a container runs on, as its route says.
func gateways() []string {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[1] != "00000000" || f[2] == "00000000" {
			continue
		}
		var b [4]byte
		if n, err := parseHex(f[2]); err == nil {
			binary.LittleEndian.PutUint32(b[:], n)
			for _, port := range servicesOfHost {
				found = append(found, net.JoinHostPort(netip.AddrFrom4(b).String(), port))
			}
		}
	}
	return found
}
