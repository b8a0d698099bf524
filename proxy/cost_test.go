package proxy_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sallyport/certs"
)

// rawUpstream has connections to a name served, once their TLS handshake is done.
func (r *rig) rawUpstream(name string, serve func(net.Conn)) {
	t := r.t
	issued, err := r.originCA.IssueListener(certs.ListenerSpec{URI: "spiffe://origin.test/upstream", Names: []string{name}}, time.Hour, time.Now())
	require.NoError(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{issued.TLS}})
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		r.shutdown()
		_ = ln.Close()
		serving.Wait()
	})
	r.point(name+":443", ln.Addr().String())
	r.configure(r.policy)
}

// plainUpstream answers every GET alike, and allocates nothing for one: what is counted
// beside it is the proxy's.
func (r *rig) plainUpstream(name string) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Tue, 01 Dec 2026 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + string(make([]byte, 1024)))
	r.rawUpstream(name, func(conn net.Conn) { answerAll(conn, answer) })
}

func answerAll(conn net.Conn, answer []byte) {
	defer conn.Close()
	buffer, n := make([]byte, 64<<10), 0
	for {
		more, err := conn.Read(buffer[n:])
		if err != nil {
			return
		}
		if n += more; !bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")) {
			continue
		}
		if n = 0; err == nil {
			_, err = conn.Write(answer)
		}
		if err != nil {
			return
		}
	}
}

// maxAllocations bounds what the proxy may allocate for one injected GET, its two events
// included.
const maxAllocations = 110

// BenchmarkInjectedGet is one small GET at a time that a rule allows and a credential is put
// on, through a kept-alive tunnel: client and upstream allocate nothing for it. It fails if
// the proxy allocates too much.
func BenchmarkInjectedGet(b *testing.B) {
	r := newRig(b)
	r.plainUpstream("api.test")
	conn := r.connect(r.agent("a"), "api.test:443", "api.test")
	request := []byte("GET /v1/models HTTP/1.1\r\nHost: api.test\r\nUser-Agent: bench/1\r\nAccept: application/json\r\nAuthorization: Bearer placeholder\r\n\r\n")
	buffer := make([]byte, 64<<10)
	ask := func() {
		_, err := conn.Write(request)
		if err != nil {
			b.Fatal(err)
		}
		n, end := 0, -1
		for end < 0 || n < end+4+1024 {
			more, err := conn.Read(buffer[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += more
			end = bytes.Index(buffer[:n], []byte("\r\n\r\n"))
		}
	}
	for range 100 {
		ask()
	}
	var before, after runtime.MemStats
	b.ReportAllocs()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		ask()
	}
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / float64(b.N); b.N > 100 && each > maxAllocations {
		b.Errorf("%.1f allocations for one request, and no more than %d may be", each, maxAllocations)
	}
}
