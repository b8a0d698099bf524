package trail_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit/trail"
)

// BenchmarkSlowDisk commits with fsync on a disk that syncs 700 times a second
// and does nothing else meanwhile.
func BenchmarkSlowDisk(b *testing.B) {
	for _, waiters := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(waiters), func(b *testing.B) {
			mountpoint := b.TempDir()
			stop := helper(b, "disk", b.TempDir(), mountpoint, (time.Second / 700).String())
			defer stop()
			writer, err := trail.Open(b.Context(), trail.Config{Path: filepath.Join(mountpoint, "audit.db"), Durability: trail.DurabilityFsync})
			require.NoError(b, err)
			b.ResetTimer()
			exchanges(b, writer, waiters, b.N)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "exchanges/s")
			b.ReportMetric(float64(writer.Stats().Commits)/b.Elapsed().Seconds(), "commits/s")
			require.NoError(b, writer.Close(context.Background()))
		})
	}
}

// BenchmarkBesideReaders commits 1,000 exchanges a second while another process
// reads the trail without a pause.
func BenchmarkBesideReaders(b *testing.B) {
	for _, reader := range []string{"nobody", "list", "verify", "export"} {
		b.Run(reader, func(b *testing.B) {
			writer, path := open(b)
			exchanges(b, writer, 16, 20000) // something to read
			require.Eventually(b, func() bool { return writer.Stats().Lag == 0 }, time.Minute, 10*time.Millisecond)
			if reader != "nobody" {
				stop := helper(b, reader, path)
				defer stop()
			}
			b.ResetTimer()
			waits := paced(b, writer, b.N)
			b.StopTimer()
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// paced begins and ends n exchanges, one a millisecond, and returns how long each
// had to wait for its commit.
func paced(tb testing.TB, writer *trail.Writer, n int) []time.Duration {
	waits := make([]time.Duration, n)
	var all sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		all.Go(func() {
			in := intent()
			start := time.Now()
			if err := writer.Begin(context.Background(), in); err != nil {
				tb.Error(err)
			}
			waits[i] = time.Since(start)
			writer.End(in.ID, outcome())
		})
	}
	all.Wait()
	return waits
}

// BenchmarkVerifyMillion verifies a million events.
func BenchmarkVerifyMillion(b *testing.B) {
	writer, path := open(b)
	exchanges(b, writer, 128, 500_000)
	require.NoError(b, writer.Close(context.Background()))
	r := reader(b, path)
	for b.Loop() {
		before := cpuMicros(b)
		report, err := r.Verify(b.Context())
		require.NoError(b, err)
		require.True(b, report.OK, "%v", report.Problems)
		require.EqualValues(b, 1_000_000, report.Events)
		b.ReportMetric((cpuMicros(b)-before)/1e6, "cpu-s")
	}
}

// BenchmarkTree writes the two events of an exchange with and without the tree.
func BenchmarkTree(b *testing.B) {
	for name, hashed := range map[string]bool{"without": false, "with": true} {
		b.Run(name, func(b *testing.B) {
			write, done, err := trail.AppendOnly(filepath.Join(b.TempDir(), "audit.db"), hashed)
			require.NoError(b, err)
			in, out := intent(), outcome()
			before := cpuMicros(b)
			n := 0
			for b.Loop() {
				require.NoError(b, write(in, out))
				n++
			}
			b.ReportMetric((cpuMicros(b)-before)/float64(n), "cpu-us/exchange")
			require.NoError(b, done())
		})
	}
}

// TestCost: a thousand requests cost at most a megabyte of events, as SQLite
// lays them out, the projection and indexes apart.
func TestCost(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	exchanges(t, writer, 16, 1000)
	require.NoError(t, writer.Close(context.Background()))
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var bytes int
	require.NoError(t, db.QueryRow("SELECT sum(pgsize) FROM dbstat WHERE name = 'events'").Scan(&bytes))
	assert.LessOrEqual(t, bytes, 1<<20)
	t.Logf("%d bytes of events for 1,000 requests", bytes)
}
