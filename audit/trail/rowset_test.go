package trail_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit/trail"
)

const segmentRows = 2048

// someRows are ascending rows of a segment.
func someRows(random *rand.Rand, n int) []uint16 {
	var rows []uint16
	for _, row := range random.Perm(segmentRows)[:n] {
		rows = append(rows, uint16(row))
	}
	slices.Sort(rows)
	return rows
}

func down(rows []uint16) (list []int) {
	for _, row := range slices.Backward(rows) {
		list = append(list, int(row))
	}
	return list
}

// TestRowsComeBack: few as a list and many as a map, in no more than 257 bytes.
func TestRowsComeBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same values each time
	for _, n := range []int{0, 1, 2, 50, 255, 256, 257, 258, 1000, segmentRows} {
		rows := someRows(random, n)
		b := trail.EncodeRows(rows)
		assert.LessOrEqual(t, len(b), 2*segmentRows/8+1, "%d rows", n)
		var set trail.Rows
		require.True(t, set.AddRows(b))
		assert.Equal(t, down(rows), set.Down(), "%d rows, the last first", n)
		assert.Equal(t, b, set.Encode())
		assert.Equal(t, n == 0, set.Empty())
	}
}

// TestRowsAreAddedAndKept: terms of a search are joined by either.
func TestRowsAreAddedAndKept(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same values each time
	for range 50 {
		a, b := someRows(random, random.IntN(600)), someRows(random, random.IntN(600))
		var either, both, other trail.Rows
		require.True(t, either.AddRows(trail.EncodeRows(a)))
		require.True(t, either.AddRows(trail.EncodeRows(b)))
		require.True(t, both.AddRows(trail.EncodeRows(a)))
		require.True(t, other.AddRows(trail.EncodeRows(b)))
		both.Keep(&other)
		union := append(slices.Clone(a), b...)
		slices.Sort(union)
		assert.Equal(t, down(slices.Compact(union)), either.Down())
		common := slices.DeleteFunc(slices.Clone(a), func(row uint16) bool { return !slices.Contains(b, row) })
		assert.Equal(t, down(common), both.Down())
	}
}

// TestDamagedRowsAreRefused: a row beyond the segment could point anywhere.
func TestDamagedRowsAreRefused(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing": {}, "unknown form": {2, 1}, "a row twice": {0, 1, 0}, "beyond": {0, 0x81, 0x10}, "second beyond": {0, 0x80, 0x10, 1},
		"cut number": {0, 0x80}, "short map": append([]byte{1}, make([]byte, 255)...), "long map": append([]byte{1}, make([]byte, 257)...),
		"too large": {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		var set trail.Rows
		assert.False(t, set.AddRows(b), name)
	}
	var set trail.Rows
	assert.True(t, set.AddRows([]byte{0, 0x80, 0x10}), "the last row of a segment")
	assert.Equal(t, []int{segmentRows - 1}, set.Down())
}

func TestSeqsOfASegmentComeBack(t *testing.T) {
	t.Parallel()
	for _, seqs := range [][]int64{{}, {1}, {5, 6, 900, 1 << 40}, {1 << 62}} {
		assert.Equal(t, seqs, trail.DecodeSeqs(trail.EncodeSeqs(seqs)))
	}
	many := make([]int64, segmentRows+10)
	for i := range many {
		many[i] = int64(i + 1)
	}
	assert.Len(t, trail.DecodeSeqs(trail.EncodeSeqs(many)), segmentRows, "no segment has more")
	assert.Equal(t, []int64{1}, trail.DecodeSeqs([]byte{1, 0x80}), "what is cut ends there")
}
