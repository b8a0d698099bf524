package share_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"sallyport/internal/share"
)

func TestOnePartyNeverTakesAll(t *testing.T) {
	t.Parallel()
	p := share.NewPool(100, 1000)
	greedy := p.Lease("greedy")
	got := 0
	for greedy.Take(1) {
		got++
	}
	assert.Equal(t, 50, got, "as much as it leaves")
	second, third := p.Lease("second"), p.Lease("third")
	got = 0
	for second.Take(1) {
		got++
	}
	assert.Equal(t, 25, got)
	assert.True(t, third.Take(12), "whoever comes last gets something")
	assert.True(t, third.Take(1))
	assert.False(t, third.Take(1))
	greedy.End()
	assert.True(t, third.Take(1))
	assert.False(t, greedy.Take(1), "it has ended")
	greedy.End()
	second.End()
	third.End()
	assert.Zero(t, p.Used())
}

func TestMostOfOneParty(t *testing.T) {
	t.Parallel()
	p := share.NewPool(1000, 10)
	one, other := p.Lease("a"), p.Lease("a")
	assert.True(t, one.Take(6))
	assert.False(t, other.Take(5), "its leases count together")
	assert.True(t, other.Take(4))
	assert.True(t, p.Lease("b").Take(10))
	one.End()
	assert.True(t, other.Take(6))
	one, other = p.Lease("c"), p.Lease("c")
	assert.True(t, one.Take(8))
	one.Keep(9)
	assert.False(t, other.Take(3))
	one.Keep(7)
	assert.True(t, other.Take(3))
	other.Give(2)
	assert.True(t, one.Take(2))
	other.Give(5) // of the one that it holds
	assert.True(t, one.Take(1))
	assert.False(t, one.Take(1))
	var none share.Lease
	none.Keep(0)
	assert.False(t, none.Take(0))
	none.End()
}

func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	p := share.NewPool(1<<20, 1<<18)
	var all sync.WaitGroup
	for who := range 8 {
		all.Go(func() {
			for range 500 {
				l := p.Lease(strconv.Itoa(who))
				for range rand.IntN(8) {
					l.Take(rand.Int64N(1 << 14))
				}
				assert.LessOrEqual(t, p.Used(), int64(1<<20))
				l.End()
			}
		})
	}
	all.Wait()
	assert.Zero(t, p.Used())
}
