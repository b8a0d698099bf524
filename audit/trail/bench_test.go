//go:build unix

package trail_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// BenchmarkBeginEnd is the cost of one exchange: its intent waited for, its
// outcome not, the projection included. cpu-us/op is the whole process's.
func BenchmarkBeginEnd(b *testing.B) {
	for _, durability := range []string{trail.DurabilityCommit, trail.DurabilityFsync} {
		for _, waiters := range []int{1, 16, 128} {
			b.Run(fmt.Sprintf("%s/%d", durability, waiters), func(b *testing.B) {
				writer, _ := open(b, func(c *trail.Config) { c.Durability = durability })
				b.ReportAllocs()
				b.ResetTimer()
				before := cpuMicros(b)
				exchanges(b, writer, waiters, b.N)
				require.NoError(b, writer.Close(context.Background()))
				b.ReportMetric(float64(2*b.N)/float64(writer.Stats().Commits), "events/commit")
				b.ReportMetric((cpuMicros(b)-before)/float64(b.N), "cpu-us/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
			})
		}
	}
}

func exchanges(tb testing.TB, writer *trail.Writer, waiters, n int) {
	var wg sync.WaitGroup
	for i := range waiters {
		wg.Go(func() {
			in, out := intent(), outcome()
			for range n/waiters + min(1, max(0, n%waiters-i)) {
				in.ID = audit.NewID()
				if err := writer.Begin(context.Background(), in); err != nil {
					tb.Error(err)
					return
				}
				writer.End(in.ID, out)
			}
		})
	}
	wg.Wait()
}

func cpuMicros(tb testing.TB) float64 {
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}
