package wire_test

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"sallyport/proxy/wire"
)

// letThrough asks a real HTTP/2 server whether a request of these fields reaches
// its handler.
func letThrough(t *testing.T, fields []hpack.HeaderField) bool {
	agent, served := net.Pipe()
	var called atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		server := &http.Server{
			Protocols: protocols, MaxHeaderBytes: 60 << 10, ErrorLog: log.New(io.Discard, "", 0),
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Store(true) }),
		}
		_ = server.Serve(&oneConn{conn: served})
	}()
	var sent bytes.Buffer
	sent.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&sent, agent)
	require.NoError(t, framer.WriteSettings())
	framer.AllowIllegalWrites = true
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(t, fields), EndStream: true, EndHeaders: true}))
	require.NoError(t, agent.SetDeadline(time.Now().Add(within)))
	go func() { _, _ = agent.Write(sent.Bytes()) }()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			require.NotErrorIs(t, err, net.ErrClosed)
			break
		}
		if kind := frame.Header().Type; frame.Header().StreamID == 1 && kind != http2.FrameWindowUpdate || kind == http2.FrameGoAway {
			break
		}
	}
	require.NoError(t, agent.Close())
	<-ended
	return called.Load()
}

// oneConn is a listener with one connection, which ends when that does.
type oneConn struct {
	conn  net.Conn
	ended chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.ended == nil {
		l.ended = make(chan struct{})
		return &closing{Conn: l.conn, ended: l.ended}, nil
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error { return nil }

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

type closing struct {
	net.Conn
	once  sync.Once
	ended chan struct{}
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

func encode(t *testing.T, fields []hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		require.NoError(t, encoder.WriteField(f))
	}
	return block.Bytes()
}

// FuzzSection: what the server lets through has no fault here, and the other way
// round. A seed is fields, each "name value", with line feeds between.
func FuzzSection(f *testing.F) {
	const good = ":method GET\n:scheme https\n:path /\n:authority api.test\n"
	for _, seed := range []string{
		good, good + "x-a b", strings.Replace(good, "GET", "CONNECT", 1), ":method CONNECT\n:authority api.test:443", ":method CONNECT",
		strings.Replace(good, "path /", "path /a%zz", 1), strings.Replace(good, "path /", "path *", 1), strings.Replace(good, "path /", "path a", 1),
		strings.Replace(good, "path /", "path //a b?%", 1), strings.Replace(good, "path /", "path https://other.test/", 1),
		strings.Replace(good, "https", "ftp", 1), strings.Replace(good, "https", "http", 1), strings.Replace(good, "api.test", "u@api.test", 1),
		strings.Replace(good, "api.test", "", 1) + "host u@api.test", good + ":path /b", good + "x-a b\n:path /b", good + ":protocol websocket",
		good + ":protocol ", good + ":status 200", good + ":other x", good + "X-Upper x", good + "connection close", good + "upgrade websocket",
		good + "te trailers", good + "te gzip", good + "te trailers\nte trailers", good + "transfer-encoding chunked", good + "keep-alive 1",
		good + "proxy-connection close", good + "x-a b\x00c", good + "x-a b\rc", good + " x", good + "x:a b", good + "x-a " + strings.Repeat("a", 61<<10),
		good + "x-a " + strings.Repeat("a", 60<<10) + "\nx-b " + strings.Repeat("b", 2<<10), "", ":method GET", ":method \n:method GET\n" + good,
		strings.Replace(good, "path /", "path ", 1), strings.Replace(good, "path /", "path /é", 1), good + "content-length x", good + "expect 100-continue",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var fields []hpack.HeaderField
		for line := range strings.SplitSeq(text, "\n") {
			name, value, found := strings.Cut(line, " ")
			if found || line != "" {
				fields = append(fields, hpack.HeaderField{Name: name, Value: value})
			}
		}
		if len(text) > 64<<10 || len(fields) > 1000 {
			return // more than one frame
		}
		require.Equal(t, letThrough(t, fields), wire.Judge(fields) == "", "%q: %s", text[:min(len(text), 500)], wire.Judge(fields))
	})
}
