package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// maxKept bytes a detail may have to be kept whole when others must be cut: what
// identifies a credential, an account or a request is shorter.
const maxKept = 512

// Keys that say of a row's details that they were cut: how many bytes they had, and
// the hash of their encoding.
const (
	keyTruncated = "truncated"
	keyHash      = "sha256"
)

// appendDetails appends a map: the row of an exchange is never refused for its
// details. What is too long is cut where it is longest, and what cannot be stored is
// said instead of it, so that the rest stands.
func appendDetails(b []byte, tag byte, m map[string]any) []byte {
	if len(m) == 0 {
		return b
	}
	v, err := appendMap(nil, m, 0)
	if err != nil {
		m = storable(m)
		v, _ = appendMap(nil, m, 0)
	}
	if len(v) > maxDetails {
		v = cutDetails(m, v)
	}
	return appendBytes(b, tag, v)
}

// storable is m with the error in the place of what cannot be stored.
func storable(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
		if _, err := appendValue(nil, v, 1); err != nil {
			out[k] = map[string]any{"unstorable": truncate(err.Error(), capText)}
		}
	}
	return out
}

// detail is a member of a row's details while they are cut.
type detail struct {
	key     string
	encoded []byte
}

// cutDetails encodes as much of m, whose encoding is whole, as fits: what is short as
// it is, and of what is long an equal share each.
func cutDetails(m map[string]any, whole []byte) []byte {
	sum := sha256.Sum256(whole)
	members := []detail{
		{keyTruncated, binary.AppendVarint([]byte{valueInt}, int64(len(whole)))},
		{keyHash, appendTextValue(nil, hex.EncodeToString(sum[:]))},
	}
	left := maxDetails - 2*binary.MaxVarintLen64 // the map's own beginning
	for i := range members {
		left -= members[i].size()
	}
	var rest []detail
	for k, v := range m {
		if k == keyTruncated || k == keyHash {
			continue
		}
		encoded, _ := appendValue(nil, v, 1) // storable
		rest = append(rest, detail{truncate(k, capText), encoded})
	}
	slices.SortFunc(rest, shortestFirst)
	seen := map[string]bool{keyTruncated: true, keyHash: true}
	for i, d := range rest {
		if share := left / (len(rest) - i); d.size() > max(share, min(maxKept, left)) {
			d.encoded = cutValue(d.encoded, share-d.size()+len(d.encoded))
		}
		if d.size() > left || seen[d.key] {
			continue
		}
		seen[d.key] = true
		left -= d.size()
		members = append(members, d)
	}
	return encodeMembers(members)
}

func (d *detail) size() int { return binary.MaxVarintLen32 + len(d.key) + len(d.encoded) }

func shortestFirst(a, b detail) int {
	return cmp.Or(cmp.Compare(a.size(), b.size()), cmp.Compare(a.key, b.key))
}

// encodeMembers is the encoding of a map.
func encodeMembers(members []detail) []byte {
	slices.SortFunc(members, func(a, b detail) int { return cmp.Compare(a.key, b.key) })
	v := binary.AppendUvarint([]byte{valueMap}, uint64(len(members)))
	for _, d := range members {
		v = binary.AppendUvarint(v, uint64(len(d.key)))
		v = append(append(v, d.key...), d.encoded...)
	}
	return v
}

// cutValue is the encoding of a value cut to size: the first of a list, what is short of
// a map, the beginning of a text, and null when nothing fits.
func cutValue(encoded []byte, size int) []byte {
	var cut []byte
	switch v, _, _ := takeValue(encoded, 1); v := v.(type) {
	case []any:
		cut = cutList(v, size)
	case map[string]any:
		cut = cutMap(v, size)
	case string:
		const tail = len(truncationMark) + sha256.Size*2
		if keep := size - tail - binary.MaxVarintLen64; keep > 0 {
			cut = appendTextValue(nil, truncate(v, min(keep, capPath)))
		}
	}
	if cut == nil {
		return []byte{valueNull}
	}
	return cut
}

func cutList(list []any, size int) []byte {
	var elements []byte
	n := 0
	for _, v := range list {
		next, _ := appendValue(elements, v, 2)
		if len(next)+binary.MaxVarintLen32 > size {
			break
		}
		elements = next
		n++
	}
	if n == 0 {
		return nil
	}
	return append(binary.AppendUvarint([]byte{valueList}, uint64(n)), elements...)
}

// cutMap keeps the shortest members.
func cutMap(m map[string]any, size int) []byte {
	var members []detail
	for k, v := range m {
		encoded, _ := appendValue(nil, v, 2)
		members = append(members, detail{k, encoded})
	}
	slices.SortFunc(members, shortestFirst)
	n := 0
	for size -= binary.MaxVarintLen32; n < len(members) && members[n].size() <= size; n++ {
		size -= members[n].size()
	}
	if n == 0 {
		return nil
	}
	return encodeMembers(members[:n])
}
