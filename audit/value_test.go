package audit_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// kept is what a payload says of a value.
func kept(t *testing.T, v any) any {
	t.Helper()
	payload, err := audit.EncodeMap(map[string]any{"v": v})
	require.NoError(t, err)
	m, err := audit.DecodeMap(payload)
	require.NoError(t, err)
	again, err := audit.EncodeMap(m)
	require.NoError(t, err)
	require.Equal(t, payload, again, "what was read is stored as it was")
	return m["v"]
}

func TestValuesComeBackAsWhatTheyMean(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	for name, c := range map[string]struct{ v, want any }{
		"null": {nil, nil}, "true": {true, true}, "false": {false, false},
		"text": {"a\x00\xff", "a\x00\xff"}, "empty text": {"", ""},
		"int": {-3, int64(-3)}, "int32": {int32(math.MinInt32), int64(math.MinInt32)}, "uint16": {uint16(443), int64(443)},
		"uint32": {uint32(math.MaxUint32), int64(math.MaxUint32)}, "uint64": {uint64(math.MaxInt64), int64(math.MaxInt64)},
		"uint": {uint(7), int64(7)}, "smallest": {int64(math.MinInt64), int64(math.MinInt64)},
		"fraction": {1.5, 1.5}, "whole float": {3.0, int64(3)}, "large float": {1e300, 1e300}, "negative zero": {math.Copysign(0, -1), int64(0)},
		"not a number": {math.NaN(), nil}, "infinity": {math.Inf(1), nil},
		"time":  {time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600)), "2026-01-02T02:04:05.000006Z"},
		"id":    {id, id.String()},
		"texts": {[]string{"b", "a"}, []any{"b", "a"}}, "list": {[]any{1, "x", nil}, []any{int64(1), "x", nil}}, "empty list": {[]any{}, []any{}},
		"map":     {map[string]any{"b": 1, "a": []string{}}, map[string]any{"b": int64(1), "a": []any{}}},
		"strings": {map[string]string{"k": "v"}, map[string]any{"k": "v"}}, "empty map": {map[string]any{}, map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, kept(t, c.v))
		})
	}
}

// TestWhatCannotBeStoredIsRefused: an event is whole or it is not recorded.
func TestWhatCannotBeStoredIsRefused(t *testing.T) {
	t.Parallel()
	deep := any("x")
	for range 9 {
		deep = []any{deep}
	}
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"function":  {func() {}, "does not store: func()"},
		"struct":    {struct{ A int }{1}, "does not store"},
		"pointer":   {new(int), "does not store: *int"},
		"too large": {uint64(math.MaxUint64), "does not store: uint64"},
		"deep":      {deep, "nested deeper than 8"},
		"in a list": {[]any{1, make(chan int)}, "does not store: chan int"},
		"in a map":  {map[string]any{"k": complex(1, 1)}, "does not store: complex128"},
		"long":      {strings.Repeat("x", 64<<10), "is longer than 65536"},
	} {
		_, err := audit.EncodeMap(map[string]any{"v": c.v})
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestAnEmptyMapIsAnEmptyPayload(t *testing.T) {
	t.Parallel()
	for _, m := range []map[string]any{nil, {}} {
		payload, err := audit.EncodeMap(m)
		require.NoError(t, err)
		assert.Empty(t, payload)
	}
	m, err := audit.DecodeMap(nil)
	require.NoError(t, err)
	assert.Nil(t, m)
}

// TestOneValueHasOneEncoding: whatever could be written otherwise is refused, so that nobody
// can alter a payload without altering what it says.
func TestOneValueHasOneEncoding(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"empty map":            "\x07\x00",
		"no map":               "\x05\x01x",
		"list":                 "\x06\x00",
		"more after it":        "\x07\x01\x01a\x00\x00",
		"cut":                  "\x07\x01\x01a",
		"cut key":              "\x07\x01\x05a",
		"too many members":     "\x07\x7f\x01a\x00",
		"unsorted keys":        "\x07\x02\x01b\x00\x01a\x00",
		"a key twice":          "\x07\x02\x01a\x00\x01a\x00",
		"long count":           "\x07\x81\x00\x01a\x00",
		"long integer":         "\x07\x01\x01a\x03\x80\x00",
		"whole number as such": "\x07\x01\x01a\x04\x40\x08\x00\x00\x00\x00\x00\x00",
		"not a number":         "\x07\x01\x01a\x04\x7f\xf8\x00\x00\x00\x00\x00\x01",
		"cut number":           "\x07\x01\x01a\x04\x40\x08",
		"cut text":             "\x07\x01\x01a\x05\x09x",
		"long list":            "\x07\x01\x01a\x06\x09\x00",
		"list with a fault":    "\x07\x01\x01a\x06\x01\x09",
		"unknown tag":          "\x07\x01\x01a\x08",
		"too deep":             "\x07\x01\x01a" + strings.Repeat("\x06\x01", 9) + "\x00",
	} {
		_, err := audit.DecodeMap([]byte(payload))
		require.ErrorContains(t, err, "not canonically encoded", name)
	}
}
