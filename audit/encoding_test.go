package audit_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

func FuzzIntent(f *testing.F) {
	in := intent()
	in.Details = map[string]any{"refs": []string{"refs/heads/agent/x"}, "n": 1.5, "deep": map[string]any{"a": nil, "b": true}}
	f.Add(audit.EncodeIntent(in, "i"))
	f.Add(audit.EncodeIntent(&audit.Intent{Path: strings.Repeat("é", 3000)}, ""))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) { canonical(t, payload, audit.RecodeIntent) })
}

func FuzzOutcome(f *testing.F) {
	f.Add(audit.EncodeOutcome(outcome()))
	f.Add(audit.EncodeOutcome(&audit.Outcome{BytesSent: math.MaxInt64, Error: strings.Repeat("x", 5000)}))
	f.Fuzz(func(t *testing.T, payload []byte) { canonical(t, payload, audit.RecodeOutcome) })
}

func FuzzMap(f *testing.F) {
	b, err := audit.EncodeMap(map[string]any{"a": []any{int64(-1), "x", 2.5}, "b": map[string]any{"": false}})
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, payload []byte) { canonical(t, payload, audit.RecodeMap) })
}

// canonical asserts that what decodes at all encodes to the same bytes.
func canonical(t *testing.T, payload []byte, recode func([]byte) ([]byte, error)) {
	again, err := recode(payload)
	if err != nil {
		return
	}
	require.Equal(t, string(payload), string(again))
}

func TestStringsAreCapped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in  audit.Intent
		max int
	}{
		"path":    {audit.Intent{Path: strings.Repeat("/é", 4096)}, 2048 + 100},
		"host":    {audit.Intent{Host: strings.Repeat("h", 70000)}, 256 + 100},
		"hash":    {audit.Intent{PolicyHash: strings.Repeat("ab", 70000)}, 256 + 100},
		"details": {audit.Intent{Details: map[string]any{"x": strings.Repeat("x", 1<<20)}}, 2048 + 300},
		"odd":     {audit.Intent{Details: map[string]any{"x": func() {}}}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := audit.EncodeIntent(&c.in, "")
			assert.NotEmpty(t, payload)
			assert.LessOrEqual(t, len(payload), c.max)
			canonical(t, payload, audit.RecodeIntent)
			again, err := audit.RecodeIntent(payload)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(payload, again))
		})
	}
}

func TestOperationPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"aws:s3/*", "aws:s3/PutObject", true},
		{"aws:s3/*", "aws:s3", false},
		{"*/delete*", "github:repos/delete-key", true},
		{"*push", "github:git/push", true},
		{"github:*", "aws:github:x", false},
		{"a*a", "a", false},
		{"*", "", true},
		{"exact", "exactly", false},
	} {
		assert.Equal(t, c.want, audit.GlobMatch(c.pattern, c.s), "%s %s", c.pattern, c.s)
	}
}
