package trail

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// segmentSize exchanges share one index. A larger one makes the index smaller
// and finding what is not there faster, but the newest exchanges, as many as
// have not filled a segment yet, are searched one by one.
const segmentSize = 2048

// rowSet is a set of the rows of one segment.
type rowSet [segmentSize / 64]uint64

func (s *rowSet) add(row int)      { s[row/64] |= 1 << (row % 64) }
func (s *rowSet) has(row int) bool { return s[row/64]&(1<<(row%64)) != 0 }

func (s *rowSet) keep(o *rowSet) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s *rowSet) empty() bool { return *s == rowSet{} }

// last returns the last row before another, or -1.
func (s *rowSet) last(before int) int {
	for i := (before+63)/64 - 1; i >= 0; i-- {
		word := s[i]
		if end := before - i*64; end < 64 {
			word &= 1<<end - 1
		}
		if word != 0 {
			return i*64 + 63 - bits.LeadingZeros64(word)
		}
	}
	return -1
}

// Forms of encoded rows: the first byte.
const (
	rowsListed = 0 // uvarint distances, the first from -1
	rowsMapped = 1 // one bit each, in the order of rows
)

// appendRows encodes ascending rows in the shorter form.
func appendRows(b []byte, rows []uint16) []byte {
	if len(rows) > segmentSize/8 {
		b = append(b, rowsMapped)
		var set rowSet
		for _, row := range rows {
			set.add(int(row))
		}
		for _, word := range set {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
		return b
	}
	b = append(b, rowsListed)
	last := -1
	for _, row := range rows {
		b = binary.AppendUvarint(b, uint64(int(row)-last))
		last = int(row)
	}
	return b
}

// addRows adds encoded rows to set; false when they are not encoded so.
func (s *rowSet) addRows(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	form, b := b[0], b[1:]
	if form == rowsMapped {
		if len(b) != segmentSize/8 {
			return false
		}
		for i := range s {
			s[i] |= binary.LittleEndian.Uint64(b[i*8:])
		}
		return true
	}
	for row := -1; len(b) > 0; {
		n, size := binary.Uvarint(b)
		if size <= 0 || n == 0 || n > uint64(segmentSize-1-row) {
			return false
		}
		row += int(n)
		s.add(row)
		b = b[size:]
	}
	return form == rowsListed
}

// appendSeqs encodes the seqs of a segment's rows, which ascend.
func appendSeqs(b []byte, seqs []int64) []byte {
	var last int64
	for _, seq := range seqs {
		b = binary.AppendUvarint(b, uint64(seq-last))
		last = seq
	}
	return b
}

func decodeSeqs(b []byte) []int64 {
	seqs := make([]int64, 0, segmentSize)
	for seq := int64(0); len(b) > 0 && len(seqs) < segmentSize; {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			break
		}
		seq, b = seq+int64(n), b[size:]
		seqs = append(seqs, seq)
	}
	return seqs
}

// rowOf finds the row of a seq.
func rowOf(seqs []int64, seq int64) (int, bool) { return slices.BinarySearch(seqs, seq) }

// encode is the encoding of the set's rows.
func (s *rowSet) encode() []byte {
	var rows []uint16
	for row := range segmentSize {
		if s.has(row) {
			rows = append(rows, uint16(row))
		}
	}
	return appendRows(nil, rows)
}
