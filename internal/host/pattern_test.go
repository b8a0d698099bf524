package host_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
)

func TestPatternMatches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, authority string
		defaultPort        uint16
		want               bool
	}{
		{"example.com", "example.com:443", 443, true},
		{"EXAMPLE.com.", "example.com:443", 443, true},
		{"example.com", "example.com:8443", 443, false},
		{"example.com", "example.com:80", 80, true},
		{"example.com", "example.com:8443", 0, true},
		{"example.com", "www.example.com:443", 443, false},
		{"example.com", "notexample.com:443", 443, false},
		{"example.com:8443", "example.com:8443", 443, true},
		{"example.com:8443", "example.com:443", 443, false},
		{"example.com:8443", "example.com:443", 0, false},
		{"example.com:*", "example.com:1", 443, true},
		{"*.example.com", "a.example.com:443", 443, true},
		{"*.example.com", "a.b.example.com:443", 443, true},
		{"*.example.com", "example.com:443", 443, false},
		{"*.example.com", "aexample.com:443", 443, false},
		{"*.example.com", "example.com.evil.example:443", 443, false},
		{"*.example.com:*", "a.example.com:9", 443, true},
		{"*.com", "example.com:443", 443, true},
		{"*", "example.com:443", 443, true},
		{"*", "localhost:443", 443, true},
		{"*", "example.com:444", 443, false},
		{"*:*", "example.com:444", 443, true},
		{"*", "192.0.2.1:443", 443, false},
		{"*:*", "[2001:db8::1]:443", 443, false},
		{"192.0.2.1", "192.0.2.1:443", 443, true},
		{"192.0.2.1", "[::ffff:192.0.2.1]:443", 443, true},
		{"[2001:db8::1]", "[2001:db8:0::1]:443", 443, true},
		{"[2001:db8::1]:8443", "[2001:db8::1]:8443", 443, true},
		{"*.bücher.example", "a.xn--bcher-kva.example:443", 443, true},
	} {
		got := mustPattern(t, c.pattern).Matches(mustAuthority(t, c.authority), c.defaultPort)
		assert.Equal(t, c.want, got, "%s on %s, default %d", c.pattern, c.authority, c.defaultPort)
	}
	assert.False(t, host.Pattern{}.Matches(mustAuthority(t, "example.com"), 0))
	assert.False(t, mustPattern(t, "*:*").Matches(host.Authority{}, 0))
}

func TestParsePatternRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                "empty",
		":443":            "empty",
		"**":              "nowhere else",
		"*.*":             "nowhere else",
		"a.*.example":     "nowhere else",
		"a*.example":      "nowhere else",
		"*example.com":    "nowhere else",
		"*.*.example":     "nowhere else",
		"*.":              "empty",
		"*.192.0.2.1":     "below an address",
		"*.[::1]":         "below an address",
		"2001:db8::1":     "several colons",
		"example.com:":    "port",
		"example.com:0":   "port",
		"example.com:**":  "port",
		"example.com/v1":  "only letters",
		"https://example": "port",
		"127.1":           "plain decimal",
	} {
		p, err := host.ParsePattern(in)
		if assert.Error(t, err, "%q", in) {
			assert.Contains(t, err.Error(), want, "%q", in)
		}
		assert.Zero(t, p, "%q", in)
	}
}

func TestPatternString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Example.com.":           "example.com",
		"*.EXAMPLE.com:8443":     "*.example.com:8443",
		"*:*":                    "*:*",
		"*":                      "*",
		"[2001:DB8::1]:*":        "[2001:db8::1]:*",
		"[::ffff:192.0.2.1]:443": "192.0.2.1:443",
	} {
		assert.Equal(t, want, mustPattern(t, in).String())
	}
}

// relations lists pairs p, q: does p cover q, does q cover p, do they overlap.
var relations = []struct {
	p, q                      string
	covers, covered, overlaps bool
}{
	{"example.com", "example.com", true, true, true},
	{"example.com", "www.example.com", false, false, false},
	{"*.example.com", "www.example.com", true, false, true},
	{"*.example.com", "example.com", false, false, false},
	{"*.example.com", "*.a.example.com", true, false, true},
	{"*.example.com", "*.example.org", false, false, false},
	{"*.example.com", "*.badexample.com", false, false, false},
	{"*", "*.example.com", true, false, true},
	{"*", "example.com", true, false, true},
	{"*", "192.0.2.1", false, false, false},
	{"192.0.2.1", "192.0.2.1", true, true, true},
	{"example.com:*", "example.com", true, false, true},
	{"example.com:*", "example.com:8443", true, false, true},
	{"example.com:8443", "example.com", false, false, false},
	{"example.com:8443", "example.com:9443", false, false, false},
	{"*.example.com", "www.example.com:*", false, false, true},
	{"*:*", "www.example.com:8443", true, false, true},
}

func TestPatternRelations(t *testing.T) {
	t.Parallel()
	for _, r := range relations {
		p, q := mustPattern(t, r.p), mustPattern(t, r.q)
		assert.Equal(t, r.covers, p.Covers(q), "%s covers %s", r.p, r.q)
		assert.Equal(t, r.covered, q.Covers(p), "%s covers %s", r.q, r.p)
		assert.Equal(t, r.overlaps, p.Overlaps(q), "%s overlaps %s", r.p, r.q)
		assert.Equal(t, r.overlaps, q.Overlaps(p), "%s overlaps %s", r.q, r.p)
	}
	assert.False(t, host.Pattern{}.Covers(mustPattern(t, "*")))
	assert.False(t, host.Pattern{}.Overlaps(mustPattern(t, "*")))
}

func TestPatternReduce(t *testing.T) {
	t.Parallel()
	assert.Equal(t, mustPattern(t, "a.example"), mustPattern(t, "a.example:443").Reduce(443))
	assert.Equal(t, mustPattern(t, "a.example:80"), mustPattern(t, "a.example:80").Reduce(443))
	assert.Equal(t, mustPattern(t, "a.example:*"), mustPattern(t, "a.example:*").Reduce(443))
	assert.True(t, mustPattern(t, "a.example").Covers(mustPattern(t, "a.example:443").Reduce(443)))
}

func TestPatternParts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		exact, below string
		port         bool
	}{
		"A.example":      {exact: "a.example"},
		"192.0.2.1:8443": {exact: "192.0.2.1", port: true},
		"*.a.example:*":  {below: "a.example", port: true},
		"*":              {},
		"*:443":          {port: true},
	} {
		p := mustPattern(t, text)
		exact, isExact := p.Exact()
		below, isBelow := p.Below()
		assert.Equal(t, want.exact != "", isExact, text)
		assert.Equal(t, want.below != "", isBelow, text)
		assert.Equal(t, want.exact+want.below, exact.String(), text)
		assert.Equal(t, exact, below, text)
		assert.Equal(t, want.port, p.HasPort(), text)
	}
}

func mustPattern(t testing.TB, s string) host.Pattern {
	t.Helper()
	p, err := host.ParsePattern(s)
	require.NoError(t, err)
	return p
}
