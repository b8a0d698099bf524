package heap_test

import (
	"context"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/heap"
)

func TestGrowthIsTheHeadroomUntilDoublingIsMore(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live, headroom uint64
		want           int
	}{
		{0, 16 * mib, 400},
		{2 * mib, 16 * mib, 400},
		{8 * mib, 16 * mib, 200},
		{16 * mib, 16 * mib, 100},
		{500 * mib, 16 * mib, 100},
	} {
		assert.Equal(t, c.want, heap.Percent(c.live, c.headroom), "live %d", c.live)
	}
}

func TestPaceRestoresTheDefault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	heap.Pace(ctx, 16<<20)
	before := debug.SetGCPercent(100)
	assert.Equal(t, 100, before)
}
