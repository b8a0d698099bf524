package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/internal/host"
)

// clock is a time that tests set.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time           { return start.Add(time.Duration(c.offset.Load())) }
func (c *clock) set(offset time.Duration) { c.offset.Store(int64(offset)) }

func parseName(t testing.TB, s string) host.Name {
	t.Helper()
	name, err := host.ParseName(s)
	require.NoError(t, err)
	return name
}

func parseLeaf(t testing.TB, cert *tls.Certificate) *x509.Certificate {
	t.Helper()
	parsed, err := x509.ParseCertificate(cert.Certificate[0])
	require.NoError(t, err)
	return parsed
}

// awkwardNames are hosts whose certificates clients have been known to refuse.
func awkwardNames() map[string]string {
	label := strings.Repeat("a", 63)
	return map[string]string{
		"name":          "api.github.com",
		"single label":  "localhost",
		"underscore":    "my_bucket.s3.amazonaws.com",
		"leading _":     "_dmarc.example.com",
		"idna":          "bücher.example",
		"64 bytes":      strings.Repeat("b", 60) + ".com",
		"65 bytes":      strings.Repeat("b", 61) + ".com",
		"longest label": label + ".example.com",
		"longest name":  strings.Join([]string{label, label, label, strings.Repeat("c", 61)}, "."),
		"IPv4":          "192.0.2.7",
		"IPv6":          "[2001:db8::7]",
		"mapped":        "::ffff:192.0.2.8",
	}
}

func TestLeavesAreAccepted(t *testing.T) {
	t.Parallel()
	ca := interceptionAuthority(t, start)
	leaves := certs.NewLeaves(ca, 100, (&clock{}).now)
	for title, text := range awkwardNames() {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			name := parseName(t, text)
			cert, err := leaves.Certificate(name)
			require.NoError(t, err)
			leaf := parseLeaf(t, cert)
			_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: start, DNSName: name.String()})
			require.NoError(t, err)
			assert.Equal(t, 1, len(leaf.DNSNames)+len(leaf.IPAddresses), "exactly the host that was asked for")
			assert.NotEmpty(t, leaf.Subject.Names)
			assert.LessOrEqual(t, len(leaf.Subject.CommonName), 64)
			assert.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
			assert.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage)
			assert.False(t, leaf.IsCA)
			assert.True(t, leaf.BasicConstraintsValid)
			assert.Equal(t, start.Add(24*time.Hour).Truncate(time.Second), leaf.NotAfter)
			assert.Len(t, cert.Certificate, 1, "clients have the authority")
		})
	}
}

// A sandbox that was resumed is hours or days behind, and must not take what is new for what is
// not valid yet.
func TestLeavesAreValidForClocksThatAreBehind(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	name := parseName(t, "api.example.com")
	for age, behind := range map[time.Duration]time.Duration{0: 6 * day, 60 * day: 29 * day} {
		ca := interceptionAuthority(t, start.Add(-age))
		cert, err := certs.NewLeaves(ca, 1, (&clock{}).now).Certificate(name)
		require.NoError(t, err)
		leaf := parseLeaf(t, cert)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: start.Add(-behind), DNSName: name.String()})
		require.NoError(t, err, "an authority %s old, a clock %s behind", age, behind)
		assert.False(t, leaf.NotBefore.Before(ca.Certificate().NotBefore), "never before the authority")
		assert.Less(t, leaf.NotAfter.Sub(leaf.NotBefore), 825*day, "Apple's systems refuse what lives longer")
	}
}

func TestLeavesRefuseNoName(t *testing.T) {
	t.Parallel()
	leaves := certs.NewLeaves(interceptionAuthority(t, start), 1, (&clock{}).now)
	_, err := leaves.Certificate(host.Name{})
	require.Error(t, err)
	size, issued, _ := leaves.Stats()
	assert.Zero(t, size)
	assert.Zero(t, issued)
	_, err = host.ParseName("*.example.com")
	assert.Error(t, err, "a wildcard is not a name, so there is no leaf for one")
}

func TestLeavesHandshake(t *testing.T) {
	t.Parallel()
	ca := interceptionAuthority(t, start)
	clk := &clock{}
	leaves := certs.NewLeaves(ca, 1, clk.now)
	name := parseName(t, "api.example.com")
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	var done sync.WaitGroup
	done.Go(func() {
		config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return leaves.Certificate(name) }}
		assert.NoError(t, tls.Server(server, config).HandshakeContext(t.Context()))
	})
	config := &tls.Config{RootCAs: ca.Pool(), ServerName: name.String(), Time: clk.now}
	require.NoError(t, tls.Client(client, config).HandshakeContext(t.Context()))
	done.Wait()
}

func TestLeavesAreReissuedAtHalfLife(t *testing.T) {
	t.Parallel()
	clk := &clock{}
	leaves := certs.NewLeaves(interceptionAuthority(t, start.Add(-90*24*time.Hour)), 10, clk.now)
	name := parseName(t, "api.example.com")
	get := func() *tls.Certificate {
		cert, err := leaves.Certificate(name)
		require.NoError(t, err)
		leaf := parseLeaf(t, cert)
		require.False(t, clk.now().Before(leaf.NotBefore))
		require.True(t, clk.now().Before(leaf.NotAfter))
		return cert
	}
	first := get()
	clk.set(11 * time.Hour)
	assert.Same(t, first, get())
	clk.set(12 * time.Hour)
	second := get()
	assert.NotSame(t, first, second)
	clk.set(13 * time.Hour)
	assert.Same(t, second, get())
	clk.set(-40 * 24 * time.Hour)
	assert.NotSame(t, second, get(), "a clock that was set back would make it not yet valid")
	size, issued, hits := leaves.Stats()
	assert.Equal(t, 1, size)
	assert.Equal(t, uint64(3), issued)
	assert.Equal(t, uint64(2), hits)
}

func TestLeavesEndWithTheirAuthority(t *testing.T) {
	t.Parallel()
	ca := interceptionAuthority(t, start)
	end := ca.Certificate().NotAfter
	clk := &clock{}
	leaves := certs.NewLeaves(ca, 10, clk.now)
	clk.set(end.Sub(start) - 4*time.Minute)
	cert, err := leaves.Certificate(parseName(t, "a.example"))
	require.NoError(t, err)
	assert.Equal(t, end, parseLeaf(t, cert).NotAfter)
	again, err := leaves.Certificate(parseName(t, "a.example"))
	require.NoError(t, err)
	assert.Same(t, cert, again)
	clk.set(end.Sub(start))
	_, err = leaves.Certificate(parseName(t, "a.example"))
	assert.ErrorContains(t, err, "expired")
}

func TestLeavesDropTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	leaves := certs.NewLeaves(interceptionAuthority(t, start), 3, (&clock{}).now)
	get := func(s string) *tls.Certificate {
		cert, err := leaves.Certificate(parseName(t, s))
		require.NoError(t, err)
		return cert
	}
	a, b, c := get("a.example"), get("b.example"), get("c.example")
	assert.Same(t, a, get("a.example"))
	get("d.example") // drops b
	assert.Same(t, a, get("a.example"))
	assert.Same(t, c, get("c.example"))
	assert.NotSame(t, b, get("b.example"))
	size, issued, _ := leaves.Stats()
	assert.Equal(t, 3, size)
	assert.Equal(t, uint64(5), issued)
}

func TestLeavesSignOnce(t *testing.T) {
	t.Parallel()
	leaves := certs.NewLeaves(interceptionAuthority(t, start), 10, (&clock{}).now)
	name := parseName(t, "api.example.com")
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range 64 {
		all.Go(func() {
			<-gate
			_, err := leaves.Certificate(name)
			assert.NoError(t, err)
		})
	}
	close(gate)
	all.Wait()
	_, issued, _ := leaves.Stats()
	assert.Equal(t, uint64(1), issued)
}

func TestLeavesStayBoundedUnderLoad(t *testing.T) {
	t.Parallel()
	leaves := certs.NewLeaves(interceptionAuthority(t, start), 8, (&clock{}).now)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 50 {
				name := parseName(t, fmt.Sprintf("h%d.example", (worker+i)%20))
				cert, err := leaves.Certificate(name)
				if assert.NoError(t, err) {
					assert.NoError(t, parseLeaf(t, cert).VerifyHostname(name.String()))
				}
			}
		})
	}
	all.Wait()
	size, _, _ := leaves.Stats()
	assert.LessOrEqual(t, size, 8)
}

func TestLeavesHitAllocatesNothing(t *testing.T) {
	leaves := certs.NewLeaves(interceptionAuthority(t, start), 10, (&clock{}).now)
	name := parseName(t, "api.example.com")
	_, err := leaves.Certificate(name)
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = leaves.Certificate(name) }))
}

// FuzzLeaves: whatever parses as a host gets a leaf that names it and no other.
func FuzzLeaves(f *testing.F) {
	for _, name := range awkwardNames() {
		f.Add(name)
	}
	f.Add("*.example.com")
	f.Add("a..b")
	ca := interceptionAuthority(f, start)
	leaves := certs.NewLeaves(ca, 16, (&clock{}).now)
	f.Fuzz(func(t *testing.T, s string) {
		name, err := host.ParseName(s)
		if err != nil {
			return
		}
		cert, err := leaves.Certificate(name)
		require.NoError(t, err)
		leaf := parseLeaf(t, cert)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: start, DNSName: name.String()})
		require.NoError(t, err)
		require.Equal(t, 1, len(leaf.DNSNames)+len(leaf.IPAddresses))
		require.Error(t, leaf.VerifyHostname("other."+name.String()))
	})
}

func BenchmarkLeavesHit(b *testing.B) {
	leaves := certs.NewLeaves(interceptionAuthority(b, time.Now()), 1000, time.Now)
	var names []host.Name
	for i := range 100 {
		names = append(names, parseName(b, fmt.Sprintf("h%d.example.com", i)))
		_, err := leaves.Certificate(names[i])
		require.NoError(b, err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _ = leaves.Certificate(names[i%len(names)])
		}
	})
}

func BenchmarkLeavesMiss(b *testing.B) {
	leaves := certs.NewLeaves(interceptionAuthority(b, time.Now()), 1, time.Now)
	names := []host.Name{parseName(b, "a.example.com"), parseName(b, "b.example.com")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = leaves.Certificate(names[i%2])
	}
}
