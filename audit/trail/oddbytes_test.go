package trail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

func TestOddBytesSurvive(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	odd := []string{"/\x00\xff\xfe", "/a\\x41", "/\u202e\u2028\x7f\x1b[31m", "/\"quoted\"", "/\xed\xa0\x80", "plain \\ one"}
	for _, s := range odd {
		in := intent()
		in.Path, in.Host, in.Details = s, s, map[string]any{s: []any{s}}
		require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused, Error: s}))
	}
	require.NoError(t, writer.Close(t.Context()))
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

func verified(t testing.TB, r *trail.Reader) audit.Report {
	t.Helper()
	report, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.True(t, report.OK)
	return report
}
