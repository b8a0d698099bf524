package proxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkExchange is one small GET through a kept-alive tunnel, with policy,
// injection and both rows.
func BenchmarkExchange(b *testing.B) {
	for name, http2 := range map[string]bool{"h1": false, "h2": true} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			payload := make([]byte, 1024)
			r.upstream(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }, http2, "api.test")
			client := r.client(r.agent("a"), http2)
			client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					response, err := client.Get("https://api.test/v1/models")
					if err != nil {
						b.Error(err)
						return
					}
					_, err = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
					require.NoError(b, err)
				}
			})
		})
	}
}

// BenchmarkFirstEvent is the time to the first event of a stream, through a
// kept-alive tunnel and without one.
func BenchmarkFirstEvent(b *testing.B) {
	for name, http2 := range map[string]bool{"h1": false, "h2": true} {
		r := newRig(b)
		server := r.upstream(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
		}, http2, "api.test")
		for where, client := range map[string]*http.Client{"proxied": r.client(r.agent("a"), http2), "direct": r.direct(server, http2)} {
			b.Run(name+" "+where, func(b *testing.B) {
				b.ReportAllocs()
				event := make([]byte, len("data: 1\n\n"))
				for b.Loop() {
					response, err := client.Get("https://api.test/events")
					require.NoError(b, err)
					_, err = io.ReadFull(response.Body, event)
					require.NoError(b, err)
					_, err = io.Copy(io.Discard, response.Body)
					require.NoError(b, err)
					_ = response.Body.Close()
				}
			})
		}
	}
}

// direct is a client that goes to the upstream without the proxy: what the others
// are compared with.
func (r *rig) direct(server *httptest.Server, http2 bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.originCA.Certificate())
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// BenchmarkAddedLatency is one small GET at a time, through a kept-alive tunnel
// and without one: the difference is what the proxy adds.
func BenchmarkAddedLatency(b *testing.B) {
	for name, http2 := range map[string]bool{"h1": false, "h2": true} {
		r := newRig(b)
		server := r.upstream(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }, http2, "api.test")
		for where, client := range map[string]*http.Client{"proxied": r.client(r.agent("a"), http2), "direct": r.direct(server, http2)} {
			b.Run(name+" "+where, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					response, err := client.Get("https://api.test/v1/models")
					require.NoError(b, err)
					_, err = io.Copy(io.Discard, response.Body)
					require.NoError(b, err)
					_ = response.Body.Close()
				}
			})
		}
	}
}
