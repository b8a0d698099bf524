package catch_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/host"
	"sallyport/sandbox/catch"
)

func query(t *testing.T, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	packed, err := m.Pack()
	require.NoError(t, err)
	return packed
}

func ask(t *testing.T, r *catch.Resolver, name string, kind dnsmessage.Type) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	require.NoError(t, m.Unpack(r.Answer(query(t, name, kind))))
	require.EqualValues(t, 7, m.ID)
	return m
}

func TestEachNameHasAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	names := catch.NewNames(time.Now)
	r := catch.NewResolver(names)
	seen := map[[4]byte]bool{}
	for _, name := range []string{"api.github.com.", "GITHUB.com.", "db.", "xn--bcher-kva.example."} {
		m := ask(t, r, name, dnsmessage.TypeA)
		require.Len(t, m.Answers, 1, name)
		v4 := m.Answers[0].Body.(*dnsmessage.AResource).A
		assert.True(t, catch.Network4.Contains(netip.AddrFrom4(v4)))
		assert.False(t, seen[v4], "%s has another's address", name)
		seen[v4] = true
		v6 := netip.AddrFrom16(ask(t, r, name, dnsmessage.TypeAAAA).Answers[0].Body.(*dnsmessage.AAAAResource).AAAA)
		assert.True(t, catch.Network6.Contains(v6))
		first, ok1 := names.Name(netip.AddrFrom4(v4))
		second, ok2 := names.Name(v6)
		assert.True(t, ok1 && ok2)
		assert.Equal(t, first, second)
		assert.Equal(t, m.Answers[0].Body, ask(t, r, name, dnsmessage.TypeA).Answers[0].Body, "it keeps it")
	}
}

func TestWhatIsNoAddressHasNoAnswer(t *testing.T) {
	t.Parallel()
	r := catch.NewResolver(catch.NewNames(time.Now))
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB, dnsmessage.TypeMX, dnsmessage.TypeTXT, dnsmessage.TypeSRV} {
		m := ask(t, r, "example.com.", kind)
		assert.Equal(t, dnsmessage.RCodeSuccess, m.RCode, "the name exists")
		assert.Empty(t, m.Answers)
	}
	for _, name := range []string{"printer.local.", "wpad.", "use-application-dns.net.", "_dns.resolver.arpa.", "127.0.0.1."} {
		packed := query(t, name, dnsmessage.TypeA)
		if answer := r.Answer(packed); answer != nil {
			var m dnsmessage.Message
			require.NoError(t, m.Unpack(answer))
			assert.Empty(t, m.Answers, name)
			assert.NotEqual(t, dnsmessage.RCodeSuccess, m.RCode, name)
		}
	}
	m := ask(t, r, "app.localhost.", dnsmessage.TypeA)
	assert.Equal(t, [4]byte{127, 0, 0, 1}, m.Answers[0].Body.(*dnsmessage.AResource).A)
	assert.Nil(t, r.Answer([]byte("nonsense")))
}

func TestAnAddressTellsItsName(t *testing.T) {
	t.Parallel()
	r := catch.NewResolver(catch.NewNames(time.Now))
	v4 := ask(t, r, "a.example.", dnsmessage.TypeA).Answers[0].Body.(*dnsmessage.AResource).A
	reverse := netip.AddrFrom4([4]byte{v4[3], v4[2], v4[1], v4[0]}).String() + ".in-addr.arpa."
	m := ask(t, r, reverse, dnsmessage.TypePTR)
	require.Len(t, m.Answers, 1)
	assert.Equal(t, "a.example.", m.Answers[0].Body.(*dnsmessage.PTRResource).PTR.String())
	assert.Equal(t, dnsmessage.RCodeNameError, ask(t, r, "1.0.0.10.in-addr.arpa.", dnsmessage.TypePTR).RCode)
}

func TestAddressesAreGivenAgainOnlyWhenForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	names := catch.NewSmallNames(func() time.Time { return now }, 2)
	give := func(text string) (netip.Addr, bool) {
		name, err := host.ParseName(text)
		require.NoError(t, err)
		v4, _, ok := names.Addresses(name)
		return v4, ok
	}
	first, _ := give("a.example")
	_, ok := give("b.example")
	require.True(t, ok)
	_, ok = give("c.example")
	assert.False(t, ok, "both are in use")
	now = now.Add(2 * time.Hour)
	third, ok := give("c.example")
	require.True(t, ok)
	assert.Equal(t, first, third)
	name, _ := names.Name(third)
	assert.Equal(t, "c.example", name.String())
}

// hello is what crypto/tls sends first.
func hello(t *testing.T, name string) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		conn := tls.Client(theirs, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		_ = conn.HandshakeContext(t.Context())
		_ = theirs.Close()
	}()
	require.NoError(t, ours.SetReadDeadline(time.Now().Add(5*time.Second)))
	head := make([]byte, 5)
	_, err := io.ReadFull(ours, head)
	require.NoError(t, err)
	body := make([]byte, int(head[3])<<8|int(head[4]))
	_, err = io.ReadFull(ours, body)
	require.NoError(t, err)
	_ = ours.Close()
	return append(head, body...)
}

// inRecords spreads the message over records of n bytes.
func inRecords(hello []byte, n int) []byte {
	var out []byte
	for body := hello[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		out = append(out, 22, 3, 1, byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

func TestReadHelloFindsTheNameHoweverItIsSpread(t *testing.T) {
	t.Parallel()
	whole := hello(t, "api.example.com")
	for _, sent := range [][]byte{whole, inRecords(whole, 1), inRecords(whole, 100)} {
		name, raw, err := catch.ReadHello(bytes.NewReader(append(bytes.Clone(sent), "more"...)))
		require.NoError(t, err)
		assert.Equal(t, "api.example.com", name)
		assert.Equal(t, sent, raw, "what follows is left")
	}
	name, _, err := catch.ReadHello(bytes.NewReader(hello(t, "192.0.2.1")))
	require.NoError(t, err)
	assert.Empty(t, name, "an address is no server name")
}

func TestReadHelloRefuses(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string][]byte{
		"another protocol": []byte("SSH-2.0-x\r\n"),
		"an empty record":  {22, 3, 1, 0, 0},
		"a large record":   {22, 3, 1, 0xff, 0xff},
		"a large message":  append([]byte{22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff}, make([]byte, 40000)...),
		"something else":   {22, 3, 1, 0, 4, 2, 0, 0, 0},
		"a cut":            hello(t, "a.example")[:60],
	} {
		_, _, err := catch.ReadHello(bytes.NewReader(sent))
		assert.Error(t, err, name)
	}
}

func FuzzHello(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0}, 1)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, sent []byte, n int) {
		name, raw, err := catch.ReadHello(bytes.NewReader(sent))
		if !bytes.HasPrefix(sent, raw) {
			t.Fatal("it returned bytes that were not sent")
		}
		if err != nil || n <= 0 {
			return
		}
		var message []byte
		for rest := raw; len(rest) > 0; {
			length := int(rest[3])<<8 | int(rest[4])
			message = append(message, rest[5:5+length]...)
			rest = rest[5+length:]
		}
		again, _, err := catch.ReadHello(bytes.NewReader(inRecords(append(make([]byte, 5), message...), n)))
		if len(raw) < 4000 && (err != nil || again != name) && n > 8 {
			t.Fatalf("%q in other records is %q, %v", name, again, err)
		}
	})
}

// catching is a catcher behind a real listener, with what it refuses.
func catching(t *testing.T, program string) (c *catch.Catcher, address string, blocked chan catch.Attempt) {
	t.Helper()
	blocked = make(chan catch.Attempt, 8)
	c = catch.New(catch.Config{
		Names:   catch.NewNames(time.Now),
		Program: func(netip.AddrPort) string { return program },
		Blocked: func(a catch.Attempt) { blocked <- a },
	})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer close(done); _ = c.Catch(ctx, l.(*net.TCPListener)) }()
	t.Cleanup(func() { _ = l.Close(); _ = c.Close(); cancel(); <-done })
	return c, l.Addr().String(), blocked
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	return conn
}

func read(t *testing.T, conn net.Conn, n int) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	got := make([]byte, n)
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	return string(got)
}

func TestTLSGoesOnInATunnelThatItsProgramDoesNotSee(t *testing.T) {
	t.Parallel()
	for program, field := range map[string]string{
		"/usr/bin/curl": "", "/usr/lib/git-core/git-remote-https": "User-Agent: git/caught\r\n", "": "",
	} {
		c, address, _ := catching(t, program)
		client := dial(t, address)
		sent := hello(t, "api.example.com")
		_, err := client.Write(sent)
		require.NoError(t, err)
		proxied, err := c.Accept()
		require.NoError(t, err)
		_, port, _ := net.SplitHostPort(address)
		want := "CONNECT api.example.com:" + port + " HTTP/1.1\r\nHost: api.example.com:" + port + "\r\n" + field + "\r\n" + string(sent)
		assert.Equal(t, want, read(t, proxied, len(want)))

		_, err = io.WriteString(proxied, "HTTP/1.1 200 Connection est")
		require.NoError(t, err)
		_, err = io.WriteString(proxied, "ablished\r\n\r\nanswer")
		require.NoError(t, err)
		assert.Equal(t, "answer", read(t, client, 6))
		_, err = io.WriteString(client, "question")
		require.NoError(t, err)
		assert.Equal(t, "question", read(t, proxied, 8))
		require.NoError(t, proxied.Close())
	}
}

func TestARefusedTunnelIsATLSAlert(t *testing.T) {
	t.Parallel()
	c, address, _ := catching(t, "")
	client := tls.Client(dial(t, address), &tls.Config{ServerName: "api.example.com", MinVersion: tls.VersionTLS13})
	failed := make(chan error, 1)
	go func() { failed <- client.HandshakeContext(t.Context()) }()
	proxied, err := c.Accept()
	require.NoError(t, err)
	_, err = io.WriteString(proxied, "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nreason")
	require.NoError(t, err)
	require.NoError(t, proxied.Close())
	assert.ErrorContains(t, <-failed, "access denied")
}

func TestClearTextIsAskedOfAProxy(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		"GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\nmore":      "GET http://a.example/a?b HTTP/1.1\r\nHost: a.example\r\n\r\nmore",
		"OPTIONS * HTTP/1.1\r\nhost:  a.example:80\r\n\r\n":     "OPTIONS http://a.example:80 HTTP/1.1\r\nhost:  a.example:80\r\n\r\n",
		"GET http://b.example/ HTTP/1.1\r\nHost: b.example\n\n": "GET http://b.example/ HTTP/1.1\r\nHost: b.example\n\n",
		"GET / HTTP/1.0\r\n\r\n":                                "GET http://127.0.0.1:PORT/ HTTP/1.0\r\n\r\n",
	} {
		c, address, _ := catching(t, "")
		client := dial(t, address)
		_, err := io.WriteString(client, sent)
		require.NoError(t, err)
		proxied, err := c.Accept()
		require.NoError(t, err)
		_, port, _ := net.SplitHostPort(address)
		want = string(bytes.ReplaceAll([]byte(want), []byte("PORT"), []byte(port)))
		assert.Equal(t, want, read(t, proxied, len(want)))
		_, err = io.WriteString(proxied, "HTTP/1.1 403 Forbidden\r\n\r\nreason")
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 403 Forbidden\r\n\r\nreason", read(t, client, 32), "the refusal can be read")
		require.NoError(t, proxied.Close())
	}
}

func TestWhatIsNeitherIsResetAndTold(t *testing.T) {
	t.Parallel()
	for sent, reason := range map[string]string{
		"\x00\x01\x02":                           catch.ReasonOther,
		"SSH-2.0-OpenSSH_9\r\n\r\n":              catch.ReasonBroken,
		"CONNECT a.example:443 HTTP/1.1\r\n\r\n": catch.ReasonBroken,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":       catch.ReasonBroken,
		"\x16\x03\x01\x00\x04\x02\x00\x00\x00":   catch.ReasonBroken,
	} {
		_, address, blocked := catching(t, "/usr/bin/ssh")
		client := dial(t, address)
		_, err := io.WriteString(client, sent)
		require.NoError(t, err)
		_, err = client.Read(make([]byte, 1))
		require.Error(t, err)
		a := <-blocked
		assert.Equal(t, reason, a.Reason, "%q", sent)
		assert.Equal(t, "/usr/bin/ssh", a.Program)
		assert.Equal(t, address, a.Address.String())
	}
}
