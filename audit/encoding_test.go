package audit_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

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

func TestOddBytesSurvive(t *testing.T) {
	t.Parallel()
	trail, path := open(t)
	odd := []string{"/\x00\xff\xfe", "/a\\x41", "/\u202e\u2028\x7f\x1b[31m", "/\"quoted\"", "/\xed\xa0\x80", "plain \\ one"}
	for _, s := range odd {
		in := intent()
		in.Path, in.Host, in.Details = s, s, map[string]any{s: []any{s}}
		require.NoError(t, trail.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused, Error: s}))
	}
	require.NoError(t, trail.Close(t.Context()))
	r := reader(t, path)
	for _, s := range odd {
		list, err := r.List(t.Context(), audit.Filter{Host: s})
		require.NoError(t, err)
		require.Len(t, list, 1, "%q", s)
		assert.Equal(t, s, list[0].Path)
		assert.Equal(t, s, list[0].Outcome.Error)
		assert.Equal(t, map[string]any{s: []any{s}}, list[0].Details)
		b := list[0].AppendJSON(nil)
		require.True(t, json.Valid(b), "%s", b)
		require.True(t, utf8.Valid(b))
		var back struct{ Path string }
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, s, unprintable(back.Path))
	}
	verified(t, r)
}

// unprintable undoes audit.Printable as its doc tells.
func unprintable(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[i+1] == 'x':
			b.WriteByte(unhex(s[i+2])<<4 | unhex(s[i+3]))
			i += 3
		case s[i] == '\\':
			b.WriteByte('\\')
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unhex(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c)) }

func verified(t testing.TB, r *audit.Reader) audit.Report {
	t.Helper()
	report, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.True(t, report.OK)
	return report
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
