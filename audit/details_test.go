package audit_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestDetailsAlwaysFit cuts details of any shape, and reads them back.
func TestDetailsAlwaysFit(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same values each time
	text := func() string { return strings.Repeat("é", random.IntN(1+random.IntN(4000))) }
	var value func(depth int) any
	value = func(depth int) any {
		switch random.IntN(4 - min(depth, 2)) {
		case 3:
			m := map[string]any{}
			for range random.IntN(20) {
				m[text()] = value(depth + 1)
			}
			return m
		case 2:
			list := []any{}
			for range random.IntN(50) {
				list = append(list, value(depth+1))
			}
			return list
		case 1:
			return random.Int64()
		}
		return text()
	}
	for range 40 {
		in := &audit.Intent{Details: map[string]any{"hashed_token": "h"}}
		for range random.IntN(40) {
			in.Details[text()] = value(0)
		}
		payload := audit.EncodeIntent(in, "i")
		again, err := audit.RecodeIntent(payload)
		require.NoError(t, err)
		require.Equal(t, payload, again)
		require.Contains(t, string(payload), "hashed_token")
	}
}
