package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Tags of a value inside details and event payloads. A value is its tag and:
// nothing (null, false, true), a zigzag varint, eight bytes of IEEE 754, a
// length and bytes, or a count and its elements; a map's elements are key and
// value, sorted by key.
const (
	valueNull = iota
	valueFalse
	valueTrue
	valueInt
	valueFloat
	valueText
	valueList
	valueMap
)

const (
	maxDepth   = 8
	maxDetails = 16 << 10 // encoded bytes of one exchange's details
	maxPayload = 64 << 10 // encoded bytes of one event's payload
)

var (
	errDepth = fmt.Errorf("values are nested deeper than %d", maxDepth)
	errValue = errors.New("value has a type that the trail does not store")
)

// appendValue appends v, or an error when it cannot be stored.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return b, errDepth
	}
	switch v := v.(type) {
	case nil:
		return append(b, valueNull), nil
	case bool:
		if v {
			return append(b, valueTrue), nil
		}
		return append(b, valueFalse), nil
	case string:
		return appendTextValue(b, v), nil
	case float64:
		return appendFloat(b, v), nil
	case time.Time:
		return appendTextValue(b, FormatTime(v)), nil
	case uuid.UUID:
		return appendTextValue(b, v.String()), nil
	case []string:
		return appendList(b, v, depth)
	case []any:
		return appendList(b, v, depth)
	case map[string]any:
		return appendMap(b, v, depth)
	case map[string]string:
		return appendMap(b, v, depth)
	}
	if n, ok := asInt(v); ok {
		return binary.AppendVarint(append(b, valueInt), n), nil
	}
	return b, fmt.Errorf("%w: %T", errValue, v)
}

func appendTextValue(b []byte, s string) []byte {
	b = binary.AppendUvarint(append(b, valueText), uint64(len(s)))
	return append(b, s...)
}

// appendFloat stores whole numbers as integers, so that a number read back
// from JSON encodes as it did before.
func appendFloat(b []byte, v float64) []byte {
	if n := int64(v); v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return binary.AppendVarint(append(b, valueInt), n)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) { // JSON has no word for these
		return append(b, valueNull)
	}
	return binary.BigEndian.AppendUint64(append(b, valueFloat), math.Float64bits(v))
}

func appendList[T any](b []byte, list []T, depth int) ([]byte, error) {
	b = binary.AppendUvarint(append(b, valueList), uint64(len(list)))
	var err error
	for _, v := range list {
		if b, err = appendValue(b, v, depth+1); err != nil {
			return b, err
		}
	}
	return b, nil
}

func appendMap[T any](b []byte, m map[string]T, depth int) ([]byte, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = binary.AppendUvarint(append(b, valueMap), uint64(len(m)))
	var err error
	for _, k := range keys {
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		if b, err = appendValue(b, m[k], depth+1); err != nil {
			return b, err
		}
	}
	return b, nil
}

func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case int32:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case uint:
		return int64(v), v <= math.MaxInt64
	}
	return 0, false
}

// takeValue reads one value in its canonical form.
func takeValue(b []byte, depth int) (v any, rest []byte, err error) {
	if len(b) == 0 || depth > maxDepth {
		return nil, nil, errEncoding
	}
	tag, b := b[0], b[1:]
	switch tag {
	case valueNull:
		return nil, b, nil
	case valueFalse, valueTrue:
		return tag == valueTrue, b, nil
	case valueInt:
		u, rest, ok := takeUvarint(b)
		if !ok {
			return nil, nil, errEncoding
		}
		return int64(u>>1) ^ -int64(u&1), rest, nil
	case valueFloat:
		return takeFloat(b)
	case valueText:
		s, rest, err := takeString(b)
		return s, rest, err
	case valueList:
		return takeList(b, depth)
	case valueMap:
		return takeMap(b, depth)
	}
	return nil, nil, errEncoding
}

func takeFloat(b []byte) (any, []byte, error) {
	if len(b) < 8 {
		return nil, nil, errEncoding
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(b))
	if again := appendFloat(nil, v); again[0] != valueFloat {
		return nil, nil, errEncoding
	}
	return v, b[8:], nil
}

func takeString(b []byte) (string, []byte, error) {
	n, b, ok := takeUvarint(b)
	if !ok || n > uint64(len(b)) {
		return "", nil, errEncoding
	}
	return string(b[:n]), b[n:], nil
}

func takeList(b []byte, depth int) (any, []byte, error) {
	n, b, ok := takeUvarint(b)
	if !ok || n > uint64(len(b)) { // every element takes a byte at least
		return nil, nil, errEncoding
	}
	list := make([]any, 0, n)
	for range n {
		v, rest, err := takeValue(b, depth+1)
		if err != nil {
			return nil, nil, err
		}
		list, b = append(list, v), rest
	}
	return list, b, nil
}

func takeMap(b []byte, depth int) (any, []byte, error) {
	n, b, ok := takeUvarint(b)
	if !ok || n > uint64(len(b)) {
		return nil, nil, errEncoding
	}
	m := make(map[string]any, n)
	last := ""
	for i := range n {
		k, rest, err := takeString(b)
		if err != nil || (i > 0 && k <= last) {
			return nil, nil, errEncoding
		}
		v, rest, err := takeValue(rest, depth+1)
		if err != nil {
			return nil, nil, err
		}
		m[k], last, b = v, k, rest
	}
	return m, b, nil
}

// DecodeMap reads a whole payload that is one map.
func DecodeMap(b []byte) (map[string]any, error) {
	if len(b) == 0 {
		return nil, nil
	}
	v, rest, err := takeValue(b, 0)
	m, ok := v.(map[string]any)
	if err != nil || !ok || len(rest) != 0 || len(m) == 0 {
		return nil, errEncoding
	}
	return m, nil
}

// EncodeMap is the payload of an event; an empty map is an empty payload.
func EncodeMap(m map[string]any) ([]byte, error) {
	if len(m) == 0 {
		return nil, nil
	}
	b, err := appendMap(nil, m, 0)
	if err == nil && len(b) > maxPayload {
		err = fmt.Errorf("payload of %d bytes is longer than %d", len(b), maxPayload)
	}
	return b, err
}
