package catch

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/host"
)

// answerLife is how long a program may keep an address. It is short, so that an
// address is given to another name only long after the last program has forgotten it.
const answerLife = 60 * time.Second

// maxQuery is the longest query that is read; no real one comes near.
const maxQuery = 4 << 10

// idleQuery is how long a program may leave a connection to the resolver silent.
const idleQuery = 30 * time.Second

// Resolver answers questions about names without asking anybody: each name has an
// address, for whether it exists is found out by who may know, the proxy.
type Resolver struct {
	names *Names
}

// NewResolver answers from names.
func NewResolver(names *Names) *Resolver { return &Resolver{names: names} }

// ServePackets answers on a UDP socket until it is closed.
func (r *Resolver) ServePackets(conn net.PacketConn) error {
	buf := make([]byte, maxQuery)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return closed(err)
		}
		if answer := r.Answer(buf[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who does not get it asks again
		}
	}
}

// Serve answers on TCP (RFC 7766) until the listener is closed and ctx is done.
func (r *Resolver) Serve(ctx context.Context, l net.Listener) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return closed(err)
		}
		serving.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			r.converse(conn)
		})
	}
}

func (r *Resolver) converse(conn net.Conn) {
	for {
		_ = conn.SetDeadline(time.Now().Add(idleQuery))
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if len(query) > maxQuery {
			return
		}
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer := r.Answer(query)
		if answer == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer))) //nolint:gosec // a few dozen bytes
		if _, err := conn.Write(append(framed, answer...)); err != nil {
			return
		}
	}
}

func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Answer answers one query; nil if it is none.
func (r *Resolver) Answer(query []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	reply := dnsmessage.Message{Header: dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}}
	questions, err := parser.AllQuestions()
	switch {
	case err != nil:
		reply.RCode = dnsmessage.RCodeFormatError
	case header.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	case len(questions) != 1:
		reply.RCode = dnsmessage.RCodeFormatError
	default:
		reply.Questions = questions
		r.fill(&reply, questions[0])
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil // of a name that cannot be written again
	}
	return packed
}

// fill answers a question. What is no address has no answer, and that is not the
// same as a name that does not exist: HTTPS and SVCB in particular would tell of
// QUIC and of a hidden name (ECH), and the address does without.
func (r *Resolver) fill(m *dnsmessage.Message, q dnsmessage.Question) {
	if q.Class != dnsmessage.ClassINET {
		m.RCode = dnsmessage.RCodeRefused
		return
	}
	text := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if q.Type == dnsmessage.TypePTR {
		r.fillPointer(m, q, text)
		return
	}
	v4, v6, code := r.addresses(text)
	m.RCode = code
	if code != dnsmessage.RCodeSuccess {
		return
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: uint32(answerLife.Seconds())}
	switch q.Type {
	case dnsmessage.TypeA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: v4.As4()}})
	case dnsmessage.TypeAAAA:
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: v6.As16()}})
	default:
	}
}

// nowhere are names that exist nowhere or on no server: programs ask for them to
// learn about the network, and an address would mislead them.
var nowhere = []string{ //nolint:gochecknoglobals // a constant list
	"local", "wpad", "invalid", "onion", "use-application-dns.net", "resolver.arpa", "in-addr.arpa", "ip6.arpa",
}

func (r *Resolver) addresses(text string) (v4, v6 netip.Addr, code dnsmessage.RCode) {
	if text == "localhost" || strings.HasSuffix(text, ".localhost") { // RFC 6761, section 6.3
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback(), dnsmessage.RCodeSuccess
	}
	for _, name := range nowhere {
		if text == name || strings.HasSuffix(text, "."+name) {
			return v4, v6, dnsmessage.RCodeNameError
		}
	}
	name, err := host.ParseName(text)
	if err != nil || name.IsAddr() {
		return v4, v6, dnsmessage.RCodeNameError // no host is called that, and no rule could name it
	}
	v4, v6, ok := r.names.Addresses(name)
	if !ok {
		return v4, v6, dnsmessage.RCodeServerFailure
	}
	return v4, v6, dnsmessage.RCodeSuccess
}

// fillPointer tells whose one of our addresses is.
func (r *Resolver) fillPointer(m *dnsmessage.Message, q dnsmessage.Question, text string) {
	m.RCode = dnsmessage.RCodeNameError
	addr, ok := pointer(text)
	if !ok {
		return
	}
	name, ok := r.names.Name(addr)
	if !ok {
		return
	}
	target, err := dnsmessage.NewName(name.String() + ".")
	if err != nil {
		return
	}
	m.RCode = dnsmessage.RCodeSuccess
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: uint32(answerLife.Seconds())}
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.PTRResource{PTR: target}})
}

// pointer reads d.c.b.a.in-addr.arpa (RFC 1035, section 3.5).
func pointer(text string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(text, ".in-addr.arpa")
	if !ok {
		return netip.Addr{}, false
	}
	p := strings.Split(rest, ".")
	if len(p) != 4 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(p[3] + "." + p[2] + "." + p[1] + "." + p[0])
	return addr, err == nil
}
