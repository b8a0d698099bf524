package host_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
)

func TestParseAuthorityCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"example.com":          "example.com:443",
		"Example.COM.:8443":    "example.com:8443",
		"example.com:443":      "example.com:443",
		"example.com:1":        "example.com:1",
		"example.com:65535":    "example.com:65535",
		"192.0.2.1:80":         "192.0.2.1:80",
		"[2001:DB8::1]":        "[2001:db8::1]:443",
		"[2001:db8::1]:8443":   "[2001:db8::1]:8443",
		"[::ffff:192.0.2.1]:1": "192.0.2.1:1",
		"bücher.example:443":   "xn--bcher-kva.example:443",
	} {
		a, err := host.ParseAuthority(in, 443)
		if assert.NoError(t, err, "%q", in) {
			assert.Equal(t, want, a.String(), "%q", in)
		}
	}
}

func TestParseAuthorityRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                     "empty",
		":443":                 "empty",
		"example.com:":         "port",
		"example.com:0":        "port",
		"example.com:00443":    "port",
		"example.com:+443":     "port",
		"example.com:-1":       "port",
		"example.com:65536":    "port",
		"example.com:4 43":     "port",
		"example.com:443a":     "port",
		"example.com:0x1bb":    "port",
		"example.com:https":    "port",
		"example.com:443:443":  "several colons",
		"2001:db8::1":          "several colons",
		"[::1]443":             "after the bracket",
		"[::1]:":               "port",
		"[::1]]:443":           "after the bracket",
		"[[::1]]:443":          "after the bracket",
		"a[::1]:443":           "not an IPv6",
		"[::1":                 "several colons",
		"user@example.com:443": "user information",
		"user:pw@example.com":  "user information",
		"[fe80::1%25lo]:443":   "zones",
		"[example.com]:443":    "brackets",
		"example.com/:443":     "only letters",
	} {
		a, err := host.ParseAuthority(in, 443)
		if assert.Error(t, err, "%q", in) {
			assert.Contains(t, err.Error(), want, "%q", in)
		}
		assert.Zero(t, a, "%q", in)
	}
}

func TestParseAuthorityRequiresPortWithoutDefault(t *testing.T) {
	t.Parallel()
	_, err := host.ParseAuthority("example.com", 0)
	require.ErrorContains(t, err, "has no port")
	a, err := host.ParseAuthority("example.com:443", 0)
	require.NoError(t, err)
	assert.Equal(t, mustAuthority(t, "EXAMPLE.com"), a)
}

func mustAuthority(t testing.TB, s string) host.Authority {
	t.Helper()
	a, err := host.ParseAuthority(s, 443)
	require.NoError(t, err)
	return a
}
