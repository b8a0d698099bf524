package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is the right edge of the Merkle tree over all events: what is needed to
// append the next leaf. It is a value; a copy is a state to go back to when a
// commit fails.
//
// Appending leaf n completes one subtree for every trailing one bit of n. The
// hashes of the leaf and of those subtrees are stored, lowest level first, in
// the same row as the event: storage follows from the row, costs no row of its
// own, and commits or fails with it.
type Tree struct {
	Size int64
	edge [48]tlog.Hash // edge[l]: the last complete subtree of 2^l leaves
}

// Append adds a leaf and appends to b what its row stores.
func (t *Tree) Append(b []byte, leaf tlog.Hash) []byte {
	b = append(b, leaf[:]...)
	level := 0
	for n := t.Size; n&1 == 1; n >>= 1 {
		leaf = tlog.NodeHash(t.edge[level], leaf)
		t.edge[level] = tlog.Hash{}
		level++
		b = append(b, leaf[:]...)
	}
	t.edge[level] = leaf
	t.Size++
	return b
}

// Root is the hash of the whole tree (RFC 6962 section 2.1).
func (t *Tree) Root() tlog.Hash {
	var root tlog.Hash
	first := true
	for level, n := 0, t.Size; n > 0; level, n = level+1, n>>1 {
		if n&1 == 0 {
			continue
		}
		if first {
			root, first = t.edge[level], false
			continue
		}
		root = tlog.NodeHash(t.edge[level], root)
	}
	if first {
		root, _ = tlog.TreeHash(0, nil) // the hash of no bytes
	}
	return root
}

// RowHashes reads the stored hashes of the event with the given seq.
type RowHashes func(seq int64) ([]byte, error)

// node returns the hash of complete subtree n of 2^level leaves, which is in
// the row of the leaf that completed it.
func (r RowHashes) node(level int, n int64) (tlog.Hash, error) {
	seq := (n + 1) << level
	row, err := r(seq)
	if err != nil {
		return tlog.Hash{}, err
	}
	if len(row) < (level+1)*tlog.HashSize {
		return tlog.Hash{}, fmt.Errorf("event %d: stored hashes are %d bytes, too short for level %d", seq, len(row), level)
	}
	return tlog.Hash(row[level*tlog.HashSize : (level+1)*tlog.HashSize]), nil
}

// ReadHashes makes rowHashes a tlog.HashReader.
func (r RowHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		var err error
		if hashes[i], err = r.node(tlog.SplitStoredHashIndex(index)); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

// LoadTree reads the right edge of a tree of size leaves.
func LoadTree(size int64, r RowHashes) (Tree, error) {
	t := Tree{Size: size}
	for level := 0; size>>level > 0; level++ {
		n := size >> level
		if n&1 == 0 {
			continue
		}
		var err error
		if t.edge[level], err = r.node(level, n-1); err != nil {
			return Tree{}, fmt.Errorf("load tree: %w", err)
		}
	}
	return t, nil
}
