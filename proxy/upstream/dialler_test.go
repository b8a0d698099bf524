package upstream_test

import (
	"crypto/x509"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
	"sallyport/proxy/upstream"
)

// What must not be dialled is found out before a connection is tried, so that these
// addresses need not exist.
func TestWhatMayBeDialled(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"http/1.1"}, func(http.ResponseWriter, *http.Request) {})
	listener := server.Listener.Addr().String()
	pattern, err := host.ParsePattern("trusted.test")
	require.NoError(t, err)
	for what, c := range map[string]struct {
		url      string
		resolve  map[host.Authority]string
		networks []upstream.Network
		own      []netip.AddrPort
		refused  bool
	}{
		"loopback":                       {url: "https://" + listener, refused: true},
		"metadata service":               {url: "https://169.254.169.254", refused: true},
		"private network":                {url: "https://10.0.0.1", refused: true},
		"unspecified":                    {url: "https://0.0.0.0", refused: true},
		"loopback of IPv6":               {url: "https://[::1]", refused: true},
		"private network inside IPv6":    {url: "https://[::ffff:10.0.0.1]", refused: true},
		"given as an address":            {url: "https://example.com", resolve: map[host.Authority]string{authority(t, "example.com"): listener}},
		"given as a name for loopback":   {url: "https://example.com", resolve: map[host.Authority]string{authority(t, "example.com"): "localhost:1"}, refused: true},
		"in a network that is allowed":   {url: "https://" + listener, networks: []upstream.Network{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}},
		"in one allowed for other hosts": {url: "https://" + listener, networks: []upstream.Network{{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Hosts: []host.Pattern{pattern}}}, refused: true},
		"own listener":                   {url: "https://" + listener, networks: []upstream.Network{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}, own: []netip.AddrPort{netip.MustParseAddrPort(listener)}, refused: true},
		"own listener on all addresses":  {url: "https://" + listener, networks: []upstream.Network{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}, own: []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), netip.MustParseAddrPort(listener).Port())}, refused: true},
		"own listener, given":            {url: "https://example.com", resolve: map[host.Authority]string{authority(t, "example.com"): listener}, own: []netip.AddrPort{netip.MustParseAddrPort(listener)}, refused: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			settings, err := upstream.NewSettings([]upstream.RootSet{{Certificates: []*x509.Certificate{server.Certificate()}}}, c.resolve, c.networks)
			require.NoError(t, err)
			transport := upstream.NewTransport(settings, func() []netip.AddrPort { return c.own })
			defer transport.CloseIdleConnections()
			response, err := transport.RoundTrip(request(t, c.url))
			if !c.refused {
				require.NoError(t, err)
				_ = response.Body.Close()
				return
			}
			require.ErrorIs(t, err, upstream.ErrAddress)
		})
	}
}

func TestARootIsBelievedForItsHostsAlone(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"http/1.1"}, func(http.ResponseWriter, *http.Request) {})
	for pattern, believed := range map[string]bool{name: true, "*.test": false} {
		hosts, err := host.ParsePattern(pattern)
		require.NoError(t, err)
		settings, err := upstream.NewSettings(
			[]upstream.RootSet{{Certificates: []*x509.Certificate{server.Certificate()}, Hosts: []host.Pattern{hosts}}},
			map[host.Authority]string{authority(t, name): server.Listener.Addr().String()}, nil)
		require.NoError(t, err)
		transport := upstream.NewTransport(settings, noListeners)
		response, err := transport.RoundTrip(request(t, "https://"+name+"/"))
		transport.CloseIdleConnections()
		if believed {
			require.NoError(t, err)
			_ = response.Body.Close()
			continue
		}
		require.Error(t, err)
		assert.Equal(t, "tls_certificate_error", upstream.FailureOf(err).ProxyError)
	}
}

// A name that is dialled elsewhere must be proven by whoever is there.
func TestAnotherNamesCertificateIsNotBelieved(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"http/1.1"}, func(http.ResponseWriter, *http.Request) {})
	settings, err := upstream.NewSettings([]upstream.RootSet{{Certificates: []*x509.Certificate{server.Certificate()}}},
		map[host.Authority]string{authority(t, "other.test"): server.Listener.Addr().String()}, nil)
	require.NoError(t, err)
	transport := upstream.NewTransport(settings, noListeners)
	defer transport.CloseIdleConnections()
	_, err = transport.RoundTrip(request(t, "https://other.test/")) //nolint:bodyclose // there is none
	var wrong x509.HostnameError
	require.ErrorAs(t, err, &wrong)
	assert.Equal(t, "tls_certificate_error", upstream.FailureOf(err).ProxyError)
}
