package audit_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"sallyport/audit"
)

// rows are the hashes stored with each event, by seq.
type rows map[int64][]byte

func (r rows) read(seq int64) ([]byte, error) {
	row, ok := r[seq]
	if !ok {
		return nil, fmt.Errorf("no event %d", seq)
	}
	return row, nil
}

// grown is a tree of n leaves, with its rows and its root after each leaf.
func grown(n int) (tree audit.Tree, stored rows, roots []tlog.Hash) {
	stored = rows{}
	roots = append(roots, tree.Root())
	for i := range n {
		stored[int64(i+1)] = tree.Append(nil, tlog.RecordHash([]byte{byte(i), byte(i >> 8)}))
		roots = append(roots, tree.Root())
	}
	return tree, stored, roots
}

// TestTheTreeIsThatOfRFC6962: any size has the root that golang.org/x/mod computes.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	t.Parallel()
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, i := range indexes {
			list = append(list, hashes[i])
		}
		return list, nil
	})
	_, _, roots := grown(300)
	for i := range 300 {
		root, err := tlog.TreeHash(int64(i), reader)
		require.NoError(t, err)
		require.Equal(t, root, roots[i], "of %d leaves", i)
		more, err := tlog.StoredHashes(int64(i), []byte{byte(i), byte(i >> 8)}, reader)
		require.NoError(t, err)
		hashes = append(hashes, more...)
	}
}

// TestTheTreeIsReadFromItsRows: as a start does it, at any size, and it goes on as it was.
func TestTheTreeIsReadFromItsRows(t *testing.T) {
	t.Parallel()
	_, stored, roots := grown(130)
	for size := range int64(130) {
		tree, err := audit.LoadTree(size, stored.read)
		require.NoError(t, err)
		require.Equal(t, size, tree.Size)
		require.Equal(t, roots[size], tree.Root())
		next := tree.Append(nil, tlog.RecordHash([]byte{byte(size), byte(size >> 8)}))
		require.Equal(t, stored[size+1], next, "event %d has the same hashes after a restart", size+1)
	}
}

func TestARowHoldsEverySubtreeThatItCompletes(t *testing.T) {
	t.Parallel()
	_, stored, _ := grown(64)
	for seq, want := range map[int64]int{1: 1, 2: 2, 3: 1, 4: 3, 6: 2, 8: 4, 63: 1, 64: 7} {
		assert.Len(t, stored[seq], want*tlog.HashSize, "event %d", seq)
	}
}

// TestProofsAreReadFromTheRows: every leaf is shown to be in the tree, and every tree to grow out of an earlier one.
func TestProofsAreReadFromTheRows(t *testing.T) {
	t.Parallel()
	const size = 77
	_, stored, roots := grown(size)
	reader := audit.RowHashes(stored.read)
	for i := range int64(size) {
		proof, err := tlog.ProveRecord(size, i, reader)
		require.NoError(t, err)
		leaf := tlog.RecordHash([]byte{byte(i), byte(i >> 8)})
		require.NoError(t, tlog.CheckRecord(proof, size, roots[size], i, leaf))
		require.Error(t, tlog.CheckRecord(proof, size, roots[size], i, tlog.RecordHash([]byte("another"))))
		if i == 0 {
			continue
		}
		grew, err := tlog.ProveTree(size, i, reader)
		require.NoError(t, err)
		require.NoError(t, tlog.CheckTree(grew, size, roots[size], i, roots[i]))
	}
}

func TestATreeIsACopyToGoBackTo(t *testing.T) {
	t.Parallel()
	before, _, roots := grown(5)
	after := before
	after.Append(nil, tlog.RecordHash([]byte("a commit that fails")))
	assert.Equal(t, roots[5], before.Root())
	assert.NotEqual(t, before.Root(), after.Root())
}

func TestHashesThatAreMissingAreNamed(t *testing.T) {
	t.Parallel()
	_, stored, _ := grown(8)
	stored[8] = stored[8][:tlog.HashSize]
	_, err := audit.LoadTree(8, stored.read)
	require.ErrorContains(t, err, "event 8: stored hashes are 32 bytes, too short for level 3")
	delete(stored, 8)
	_, err = audit.LoadTree(8, stored.read)
	require.ErrorContains(t, err, "load tree: no event 8")
	gone := errors.New("disk gone")
	_, err = audit.RowHashes(func(int64) ([]byte, error) { return nil, gone }).ReadHashes([]int64{0})
	require.ErrorIs(t, err, gone)
}
