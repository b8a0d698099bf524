package proxy_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"sallyport/proxy/upstream"
)

// nameServer answers for hostile names: each question gets the next of the name's
// lists of addresses, and the last one for good.
type nameServer struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   map[string]int
}

func (s *nameServer) next(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := s.answers[strings.TrimSuffix(name, ".")]
	if len(lists) == 0 {
		return nil
	}
	n := s.asked[name]
	s.asked[name]++
	return lists[min(n, len(lists)-1)]
}

// serve answers questions for A and AAAA until the connection is closed.
func (s *nameServer) serve(conn net.PacketConn) {
	packet := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.Authoritative, m.Additionals = true, true, nil
		switch q.Type {
		case dnsmessage.TypeA:
			for _, text := range s.next(q.Name.String()) {
				if ip := netip.MustParseAddr(text); ip.Is4() {
					m.Answers = append(m.Answers, resource(q.Name, &dnsmessage.AResource{A: ip.As4()}))
				}
			}
		case dnsmessage.TypeAAAA:
			s.mu.Lock()
			lists := s.answers[strings.TrimSuffix(q.Name.String(), ".")]
			s.mu.Unlock()
			for _, list := range lists {
				for _, text := range list {
					if ip := netip.MustParseAddr(text); ip.Is6() {
						m.Answers = append(m.Answers, resource(q.Name, &dnsmessage.AAAAResource{AAAA: ip.As16()}))
					}
				}
			}
		default: // there is nothing else to tell
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func resource(name dnsmessage.Name, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1}, Body: body}
}

// Whoever answers for a name may say anything, and something else the next time. The
// address is judged on the socket that is about to connect, every time.
func TestNamesThatResolveToPrivateAddresses(t *testing.T) {
	if os.Getenv(alone) == "" {
		t.Parallel()
		// The resolver belongs to the whole process.
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNamesThatResolveToPrivateAddresses$", "-test.v")
		command.Env = append(os.Environ(), alone+"=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &nameServer{asked: map[string]int{}, answers: map[string][][]string{
		"loopback.evil.test": {{"127.0.0.1"}}, "metadata.evil.test": {{"169.254.169.254"}}, "private.evil.test": {{"10.0.0.1", "192.168.0.1"}},
		"shared.evil.test": {{"100.64.0.1"}}, "zero.evil.test": {{"0.0.0.0"}}, "six.evil.test": {{"::1"}}, "local.evil.test": {{"fd00::1"}},
		"mapped.evil.test": {{"::ffff:127.0.0.1"}}, "nat64.evil.test": {{"64:ff9b::7f00:1"}}, "6to4.evil.test": {{"2002:7f00:1::"}},
		"compatible.evil.test": {{"::127.0.0.1"}}, "multicast.evil.test": {{"224.0.0.1"}}, "broadcast.evil.test": {{"255.255.255.255"}},
		"turns.evil.test": {{"203.0.113.7"}, {"127.0.0.1"}},
	}}
	go server.serve(conn)
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	defer conn.Close()
	var reached atomic.Int64
	r := newRig(t)
	origin := r.upstream(func(http.ResponseWriter, *http.Request) { reached.Add(1) }, false, "turns.evil.test", "api.test")
	_, port, err := net.SplitHostPort(origin.Listener.Addr().String())
	require.NoError(t, err)
	r.resolve = nil
	const anything = "policy: operator\nrules:\n  - {name: all, allow: {host: \"*:*\"}}\n"
	r.configure(anything)
	client := r.client(r.agent("a"), true)
	client.Timeout = within
	ask := func(name string) (int, string) {
		response, err := client.Get("https://" + name + ":" + port + "/")
		require.NoError(t, err)
		return response.StatusCode, body(t, response)
	}
	for name := range server.answers {
		if name == "turns.evil.test" {
			continue
		}
		status, text := ask(name)
		assert.Equal(t, http.StatusForbidden, status, "%s: %s", name, text)
		assert.Contains(t, text, "urn:sallyport:refusal:address", name)
		assert.NotContains(t, text, server.answers[name][0][0], "the address is not told")
	}

	// A name that is good when it is first asked for, and turns: allowed for its first
	// address alone.
	server.mu.Lock()
	server.answers["turns.evil.test"] = [][]string{{"127.0.0.1"}, {"127.0.0.2"}}
	server.mu.Unlock()
	r.networks = []upstream.Network{{Prefix: netip.MustParsePrefix("127.0.0.1/32")}}
	r.configure(anything)
	status, text := ask("turns.evil.test")
	require.Equal(t, http.StatusOK, status, text)
	origin.CloseClientConnections()
	require.Eventually(t, func() bool { status, text = ask("turns.evil.test"); return status != http.StatusOK }, within, 10*time.Millisecond)
	for status == http.StatusBadGateway { // the connection that was cut
		status, text = ask("turns.evil.test")
	}
	assert.Equal(t, http.StatusForbidden, status, text)
	assert.NotZero(t, reached.Load())
}
