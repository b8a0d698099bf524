package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cpu is what the process has used so far: agent, proxy and upstream.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkUpload is one large upload after the other, through the proxy and without
// it: the difference of the CPU figures is the proxy's, and is what the ratio of a mode to
// "plain", which is injected and not signed, is taken of.
func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	r, _ := signingRig(b, []string{"http/1.1"})
	server := r.upstream(func(_ http.ResponseWriter, q *http.Request) { _, _ = io.Copy(io.Discard, q.Body) }, false, storeHost, "api.test")
	plain := func(size int64) (io.Reader, []string) { return endless(size, false, ""), nil }
	hash := zerosHash(size)
	for name, upload := range map[string]func(int64) (io.Reader, []string){
		"plain": plain, "unsigned trailer": uploads["unsigned trailer"], "signed chunks": uploads["signed chunks"],
		"stated hash": func(size int64) (io.Reader, []string) {
			return endless(size, false, ""), []string{"X-Amz-Content-Sha256", hash}
		},
	} {
		host := storeHost
		if name == "plain" {
			host = "api.test"
		}
		for where, client := range map[string]*http.Client{"proxied": r.client(r.agent(strings.ReplaceAll(name, " ", "-")), false), "direct": r.direct(server, false)} {
			b.Run(name+" "+where, func(b *testing.B) {
				b.SetBytes(size)
				before := cpu(b)
				for b.Loop() {
					from, headers := upload(size)
					answer, err := client.Do(signed(b, http.MethodPut, "https://"+host+"/key", "s3", from, headers...))
					require.NoError(b, err)
					require.Equal(b, http.StatusOK, answer.StatusCode)
					_ = answer.Body.Close()
				}
				gigabytes := float64(b.N) * size / (1 << 30)
				b.ReportMetric(float64((cpu(b)-before).Milliseconds())/gigabytes, "cpu-ms/GB")
			})
		}
	}
}

// BenchmarkSmallUpload is one small request at a time, signed and not.
func BenchmarkSmallUpload(b *testing.B) {
	r, _ := signingRig(b, []string{"http/1.1"})
	r.upstream(func(_ http.ResponseWriter, q *http.Request) { _, _ = io.Copy(io.Discard, q.Body) }, false, storeHost, "api.test")
	client := r.client(r.agent("small"), false)
	data := strings.Repeat("x", 512)
	for name, host := range map[string]string{"plain": "api.test", "signed": storeHost} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				answer, err := client.Do(signed(b, http.MethodPut, "https://"+host+"/key", "s3", strings.NewReader(data), "X-Amz-Content-Sha256", hashed([]byte(data))))
				require.NoError(b, err)
				_ = answer.Body.Close()
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
