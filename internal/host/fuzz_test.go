package host_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
)

func seedHosts(f *testing.F) {
	for _, s := range []string{
		"example.com", "EXAMPLE.com.", "[::1]:443", "::ffff:1.2.3.4", "0x7f.1", "1.2.3.4:80", "bücher.example", "xn--bcher-kva.example:8443",
		"*.example.com:*", "*", "*:443", "[[::1]]", "fe80::1%lo", "a。b", "１.2.3.4", "user@host", "faß.de", "a\u200db", "_a.-b", "xn--", "ß", "K",
	} {
		f.Add(s)
	}
}

func FuzzParseName(f *testing.F) {
	seedHosts(f)
	f.Fuzz(func(t *testing.T, s string) {
		name, err := host.ParseName(s)
		if err != nil {
			require.Zero(t, name)
			return
		}
		text := name.String()
		again, err := host.ParseName(text)
		require.NoError(t, err, "the canonical form of %q", s)
		require.Equal(t, text, again.String(), "the canonical form of %q is a fixed point", s)
		require.True(t, name == again, "equal names are ==: %q", s)

		for _, variant := range []string{strings.ToUpper(text), text + ".", text + ".."} {
			if strings.Contains(text, ":") {
				break
			}
			same, err := host.ParseName(variant)
			require.NoError(t, err, "%q", variant)
			require.True(t, name == same, "%q and %q", text, variant)
		}
		checkShape(t, name)
	})
}

// checkShape checks what other packages build on.
func checkShape(t *testing.T, name host.Name) {
	t.Helper()
	text := name.String()
	parsed, err := netip.ParseAddr(text)
	addr, literal := name.Addr()
	require.Equal(t, err == nil, literal, "a literal exactly if it reads as one: %q", text)
	if literal {
		require.Equal(t, parsed, addr)
		require.False(t, addr.Is4In6())
		require.Empty(t, addr.Zone())
		return
	}
	require.LessOrEqual(t, len(text), 253)
	require.NotContains(t, text, "..")
	for i := range len(text) {
		require.True(t, strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789-_.", text[i]) >= 0, "%q", text)
	}
}

func FuzzParseAuthority(f *testing.F) {
	seedHosts(f)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := host.ParseAuthority(s, 443)
		if err != nil {
			require.Zero(t, a)
			return
		}
		require.NotZero(t, a.Port)
		again, err := host.ParseAuthority(a.String(), 0)
		require.NoError(t, err, "the canonical form of %q", s)
		require.True(t, a == again, "the canonical form of %q is a fixed point", s)
		checkShape(t, a.Name)
	})
}

func FuzzParsePattern(f *testing.F) {
	for _, a := range []string{"example.com", "*.example.com:8443", "*", "[::1]:*", "xn--bcher-kva.example"} {
		for _, b := range []string{"www.example.com", "*:*", "127.0.0.1", "example.com:443"} {
			f.Add(a, b, "www.example.com:443", uint16(443))
		}
	}
	f.Fuzz(func(t *testing.T, first, second, authority string, defaultPort uint16) {
		p, err := host.ParsePattern(first)
		if err != nil {
			require.Zero(t, p)
			return
		}
		again, err := host.ParsePattern(p.String())
		require.NoError(t, err)
		require.True(t, p == again, "the canonical form of %q is a fixed point", first)
		require.True(t, p.Covers(p) && p.Overlaps(p))

		q, err1 := host.ParsePattern(second)
		a, err2 := host.ParseAuthority(authority, 443)
		if err1 != nil || err2 != nil {
			return
		}
		inP, inQ := p.Matches(a, defaultPort), q.Matches(a, defaultPort)
		if p.Covers(q) && inQ {
			assert.True(t, inP, "%s covers %s, which matches %s", p, q, a)
		}
		if defaultPort != 0 {
			assert.Equal(t, inP, p.Reduce(defaultPort).Matches(a, defaultPort), "reducing %s changes nothing", p)
			p, q = p.Reduce(defaultPort), q.Reduce(defaultPort)
			assert.True(t, p.Overlaps(q) || !inP || !inQ, "%s and %s both match %s", p, q, a)
		}
	})
}

// FuzzGloballyReachable checks that no embedding of an unreachable IPv4 address
// is reachable.
func FuzzGloballyReachable(f *testing.F) {
	f.Add(uint32(0x7f000001), uint64(0x20010db8_00000000))
	f.Add(uint32(0xa9fea9fe), uint64(0x26064700_00000000))
	f.Fuzz(func(t *testing.T, v4 uint32, prefix uint64) {
		raw := [4]byte{byte(v4 >> 24), byte(v4 >> 16), byte(v4 >> 8), byte(v4)}
		want := host.GloballyReachable(netip.AddrFrom4(raw))

		embed := func(head string) netip.Addr {
			b := netip.MustParseAddr(head).As16()
			copy(b[12:], raw[:])
			return netip.AddrFrom16(b)
		}
		assert.Equal(t, want, host.GloballyReachable(embed("::ffff:0:0")), "mapped")
		assert.Equal(t, want, host.GloballyReachable(embed("64:ff9b::")), "NAT64")
		for _, head := range []string{"::", "64:ff9b:1::", "::ffff:0:0:0", "2001::", "2606:4700::5efe:0:0"} {
			assert.False(t, host.GloballyReachable(embed(head)), head)
		}
		isatap := netip.MustParseAddr("::200:5efe:0:0").As16()
		for i := range 8 {
			isatap[i] = byte(prefix >> (56 - 8*i))
		}
		copy(isatap[12:], raw[:])
		assert.False(t, host.GloballyReachable(netip.AddrFrom16(isatap)), "ISATAP")
	})
}
