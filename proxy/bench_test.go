package proxy_test

import (
	"io"
	"net/http"
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
