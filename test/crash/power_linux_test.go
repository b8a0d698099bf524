package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestPowerLoss takes the state as a loss of power would leave it, at random
// moments under load. Whatever is left opens, verifies and goes on; with
// durability fsync it has the intent of every request that has reached the
// upstream, and with commit it may lack the last ones, and nothing before them.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("ROUNDS")); err == nil {
		rounds = n
	}
	for _, durability := range []string{trail.DurabilityFsync, trail.DurabilityCommit} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			w, disk := onSlowDisk(t)
			w.settings.Extra += "audit: {durability: " + durability + "}\n"
			require.NoError(t, w.home.Configure(w.settings))
			srv := w.serve(t)
			ctx, cancel := context.WithCancel(t.Context())
			client := w.client(t)
			var load sync.WaitGroup
			for worker := range 8 {
				load.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						_, _ = call(ctx, client, fmt.Sprintf("/p/%d/%d", worker, n))
					}
				})
			}
			for round := range rounds {
				_, before := w.upstream.seen()
				w.upstream.await(t, before+1+rand.IntN(200))
				seen, _ := w.upstream.seen()
				state := filepath.Join(t.TempDir(), strconv.Itoa(round))
				require.NoError(t, disk.CutPower(state))
				survives(t, state, seen, durability == trail.DurabilityFsync)
			}
			cancel()
			load.Wait()
			require.NoError(t, srv.Stop())
		})
	}
}

// await waits until the upstream has seen so many requests.
func (u *upstream) await(t *testing.T, total int) {
	t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case n := <-u.when:
			if n >= total {
				return
			}
		case <-timeout:
			t.Fatalf("the load did not reach %d requests", total)
		}
	}
}

// survives starts the trail again from what was left of it.
func survives(t *testing.T, state string, seen map[string]int, all bool) {
	t.Helper()
	path, key := filepath.Join(state, "audit.db"), filepath.Join(state, "trail.key")
	r, err := trail.OpenReader(path)
	require.NoError(t, err)
	before, err := r.Verify(t.Context())
	require.NoError(t, err)
	assert.Contains(t, []audit.State{audit.StateOpen, audit.StateIncomplete}, before.State, "%v", before.Problems)
	if all {
		assert.Equal(t, audit.StateOpen, before.State, "%v", before.Problems)
	}
	require.NoError(t, r.Close())

	writer, err := trail.Open(t.Context(), trail.Config{Path: path, Key: key})
	require.NoError(t, err)
	public := writer.PublicKey()
	require.NoError(t, writer.Close(t.Context()))
	r, err = trail.OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	report, err := r.VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public})
	require.NoError(t, err)
	assert.True(t, report.OK, "%v", report.Problems)
	assert.Equal(t, report.Events, report.Checkpoint, "the last checkpoint covers all")
	intents := map[string]int{}
	require.NoError(t, r.Each(t.Context(), audit.Filter{}, func(x *audit.Exchange) error {
		assert.True(t, x.Ended, "%s is open", x.Path)
		intents[x.Path]++
		return nil
	}))
	lost := 0
	for path, times := range seen {
		lost += max(0, times-intents[path])
	}
	if all {
		assert.Zero(t, lost, "requests reached the upstream and are not in the trail")
	}
	t.Logf("%d events left, %d requests lost", before.Events, lost)
}
