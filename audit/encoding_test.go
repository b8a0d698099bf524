package audit_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

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

// TestHashesArePackedAndComeBack: any string comes back from the fields for hashes, and one of
// lower-case hexadecimal digits, and no other, takes half its length.
func TestHashesArePackedAndComeBack(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same values each time
	var texts []string
	for n := range 70 {
		sum := make([]byte, n)
		for i := range sum {
			sum[i] = byte(random.Uint32())
		}
		digits := hex.EncodeToString(sum)
		texts = append(texts, digits)
		for i := range digits {
			for _, c := range "/:`g@AFG \x00\x80\xff" {
				texts = append(texts, digits[:i]+string(c)+digits[i+1:], digits[:i]+string([]byte{byte(c)})+digits[i+1:])
			}
		}
		texts = append(texts, digits+"0", strings.ToUpper(digits))
	}
	for _, text := range texts {
		payload := audit.EncodeIntent(&audit.Intent{CertSerial: text}, "")
		in, err := audit.DecodedIntent(payload)
		require.NoError(t, err, "%q", text)
		require.Equal(t, text, in.CertSerial)
		if _, err := hex.DecodeString(text); err == nil && text == strings.ToLower(text) {
			require.LessOrEqual(t, len(payload), len(text)/2+4, "%q", text)
		} else if len(text) > 4 {
			require.Greater(t, len(payload), len(text), "%q", text)
		}
	}
}

func TestTimesAreWrittenInOneForm(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8)) //nolint:gosec // the same values each time
	for range 2000 {
		at := time.UnixMicro(random.Int64N(9e17) - 2e17).In(time.FixedZone("", random.IntN(86400)-43200))
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), audit.FormatTime(at))
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
