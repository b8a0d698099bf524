package host_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
)

func TestParseNameCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"example.com":           "example.com",
		"EXAMPLE.Com":           "example.com",
		"example.com.":          "example.com",
		"example.com...":        "example.com",
		"localhost":             "localhost",
		"my_bucket.example.com": "my_bucket.example.com",
		"r3---sn-x.example.com": "r3---sn-x.example.com",
		"1password.com":         "1password.com",
		"0x7g.example":          "0x7g.example",
		"bücher.example":        "xn--bcher-kva.example",
		"BÜCHER.example":        "xn--bcher-kva.example",
		"XN--BCHER-KVA.example": "xn--bcher-kva.example",
		"faß.example":           "xn--fa-hia.example", // not "fass": UTS 46, non-transitional
		"a。example":             "a.example",
		"ＥＸＡＭＰＬＥ.com":           "example.com",
		"a\u00adb.example":      "ab.example",
		"192.0.2.1":             "192.0.2.1",
		"192.0.2.1.":            "192.0.2.1",
		"::1":                   "::1",
		"[::1]":                 "::1",
		"2001:DB8:0:0::1":       "2001:db8::1",
		"[2001:db8::0001]":      "2001:db8::1",
		"::ffff:192.0.2.1":      "192.0.2.1",
		"[::ffff:c000:201]":     "192.0.2.1",
		"::192.0.2.1":           "::c000:201",

		strings.Repeat("a", 63) + ".example": strings.Repeat("a", 63) + ".example",
	} {
		name, err := host.ParseName(in)
		if assert.NoError(t, err, "%q", in) {
			assert.Equal(t, want, name.String(), "%q", in)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                        "empty",
		".":                       "empty",
		"...":                     "empty",
		".example.com":            "empty label",
		"a..b":                    "empty label",
		"ü..example":              "empty label",
		"-a.example":              "hyphen",
		"a-.example":              "hyphen",
		"*.example.com":           "only letters",
		"a b":                     "only letters",
		"a/b":                     "only letters",
		"a\x00b":                  "only letters",
		"a\nb":                    "only letters",
		"a,b":                     "only letters",
		"a\\b":                    "only letters",
		"user@example.com":        "user information",
		"example%2ecom":           "percent-encoding",
		"％":                       "only letters", // maps to a percent sign
		"fe80::1%eth0":            "zones",
		"[fe80::1%25eth0]":        "zones",
		"xn--a":                   "internationalised",
		"xn--.example":            "empty label",
		"xn--abc-.example":        "internationalised", // an A-label of plain ASCII
		"\xff.example":            "internationalised",
		"\u200d.example":          "internationalised",
		"[example.com]":           "brackets",
		"[192.0.2.1]":             "brackets",
		"[[::1]]":                 "not an IPv6",
		"[::1":                    "brackets",
		"::1]":                    "not an IPv6",
		"[]":                      "brackets",
		"[::1].":                  "brackets",
		"::1.":                    "not an IPv6",
		"example.com:443":         "not an IPv6",
		"1::2::3":                 "not an IPv6",
		"127.1":                   "plain decimal",
		"2130706433":              "plain decimal",
		"017700000001":            "plain decimal",
		"0x7f000001":              "plain decimal",
		"0X7F.0.0.1":              "plain decimal",
		"127.0.0.0x1":             "plain decimal",
		"0177.0.0.1":              "plain decimal",
		"127.0.0.01":              "plain decimal",
		"1.2.3.4.5":               "plain decimal",
		"256.0.0.1":               "plain decimal",
		"example.0x":              "plain decimal",
		"example.123":             "plain decimal",
		"１２７.0.0.1":               "plain decimal", // full-width digits
		"127。0。0。1":               "plain decimal",
		strings.Repeat("a", 64):   "label",
		strings.Repeat("a.", 130): "longer than 253",
		strings.Repeat("a", 2000): "longer than",
	} {
		name, err := host.ParseName(in)
		if assert.Error(t, err, "%q", in) {
			assert.Contains(t, err.Error(), want, "%q", in)
		}
		assert.Zero(t, name, "%q", in)
	}
}

func TestNameAddr(t *testing.T) {
	t.Parallel()
	addr, ok := mustName(t, "[::ffff:192.0.2.1]").Addr()
	assert.True(t, ok)
	assert.Equal(t, netip.MustParseAddr("192.0.2.1"), addr)

	addr, ok = mustName(t, "2001:db8::1").Addr()
	assert.True(t, ok)
	assert.Equal(t, netip.MustParseAddr("2001:db8::1"), addr)

	_, ok = mustName(t, "example.com").Addr()
	assert.False(t, ok)
	_, ok = host.Name{}.Addr()
	assert.False(t, ok)
}

func TestNameParent(t *testing.T) {
	t.Parallel()
	parent, ok := mustName(t, "a.b.example").Parent()
	assert.True(t, ok)
	assert.Equal(t, mustName(t, "b.example"), parent)
	for _, s := range []string{"example", "192.0.2.1", "2001:db8::1"} {
		_, ok := mustName(t, s).Parent()
		assert.False(t, ok, s)
	}
	_, ok = host.Name{}.Parent()
	assert.False(t, ok)
}

func TestParseNameDoesNotAllocate(t *testing.T) {
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = host.ParseAuthority("api.example.com:443", 0)
	}))
}

func mustName(t testing.TB, s string) host.Name {
	t.Helper()
	name, err := host.ParseName(s)
	require.NoError(t, err)
	return name
}
