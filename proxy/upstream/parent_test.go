package upstream_test

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/host"
	"sallyport/proxy/upstream"
)

// parent is a proxy that opens tunnels to one address, whatever they are for.
type parent struct {
	to     string
	status int // of its answers; 0 for tunnels

	mu    sync.Mutex
	asked []*http.Request
}

func (p *parent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r)
	p.mu.Unlock()
	if p.status != 0 || r.Method != http.MethodConnect {
		w.WriteHeader(p.status)
		return
	}
	origin, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	agent, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(agent, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(origin, agent); _ = origin.Close() }()
	_, _ = io.Copy(agent, origin)
	_ = agent.Close()
}

func (p *parent) requests() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// behind is a server for name that only a parent leads to.
func behind(t *testing.T, secured bool, status int, with upstream.Parent) (*parent, *http.Transport) {
	t.Helper()
	server := origin(t, []string{"http/1.1"}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	p := &parent{to: server.Listener.Addr().String(), status: status}
	front := httptest.NewUnstartedServer(p)
	if secured {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	roots := []*x509.Certificate{server.Certificate()}
	if secured {
		roots = append(roots, front.Certificate())
	}
	settings, err := upstream.NewSettings([]upstream.RootSet{{Certificates: roots}}, nil, nil)
	require.NoError(t, err)
	with.TLS = secured
	with.Authority = authority(t, front.Listener.Addr().String())
	transport := upstream.NewTransport(settings.WithParent(&with), noListeners)
	t.Cleanup(transport.CloseIdleConnections)
	return p, transport
}

func TestUpstreamsAreReachedThroughAParent(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{true, false} {
		p, transport := behind(t, secured, 0, upstream.Parent{Authorize: func(connect *http.Request) error {
			assert.Equal(t, "https", connect.URL.Scheme)
			connect.Header.Set("Proxy-Authorization", "Basic canary")
			return nil
		}})
		response, err := transport.RoundTrip(request(t, "https://"+name+"/x"))
		require.NoError(t, err)
		assert.Equal(t, "here", read(t, response), "the upstream proves its own name inside the tunnel")
		require.Len(t, p.requests(), 1)
		connect := p.requests()[0]
		assert.Equal(t, http.MethodConnect, connect.Method)
		assert.Equal(t, name+":443", connect.Host)
		assert.Equal(t, []string{"Basic canary"}, connect.Header["Proxy-Authorization"])
		assert.Len(t, connect.Header, 1, "nothing of the agent's request")
	}
}

func TestWhatAParentDoesNotLetThroughFails(t *testing.T) {
	t.Parallel()
	_, transport := behind(t, true, http.StatusProxyAuthRequired, upstream.Parent{})
	_, err := transport.RoundTrip(request(t, "https://"+name+"/")) //nolint:bodyclose // there is none
	require.Error(t, err)
	why := upstream.FailureOf(err)
	assert.Equal(t, "destination_unavailable", why.ProxyError)
	assert.Contains(t, why.Detail, "answered 407")
}

// A parent that is not asked, or may not be, is not connected to.
func TestWhatGoesPastAParent(t *testing.T) {
	t.Parallel()
	except, err := host.ParsePattern("*.test")
	require.NoError(t, err)
	for url, refused := range map[string]bool{
		"https://10.0.0.1/": true, "https://[::1]/": true, "https://169.254.169.254/": true, // as from here
		"https://nowhere.test/": false, // resolved here, in vain
	} {
		p, transport := behind(t, true, 0, upstream.Parent{Except: []host.Pattern{except}})
		_, err := transport.RoundTrip(request(t, url)) //nolint:bodyclose // there is none
		require.Error(t, err, url)
		if refused {
			require.ErrorIs(t, err, upstream.ErrAddress, url)
		} else {
			assert.Equal(t, "dns_error", upstream.FailureOf(err).ProxyError, url)
		}
		assert.Empty(t, p.requests(), url)
	}
}

func TestAParentMustProveItsName(t *testing.T) {
	t.Parallel()
	p := &parent{}
	front := httptest.NewTLSServer(p)
	defer front.Close()
	settings, err := upstream.NewSettings(nil, nil, nil)
	require.NoError(t, err)
	transport := upstream.NewTransport(settings.WithParent(&upstream.Parent{TLS: true, Authority: authority(t, front.Listener.Addr().String())}), noListeners)
	defer transport.CloseIdleConnections()
	_, err = transport.RoundTrip(request(t, "https://"+name+"/")) //nolint:bodyclose // there is none
	require.Error(t, err)
	assert.Equal(t, "tls_certificate_error", upstream.FailureOf(err).ProxyError)
	assert.Empty(t, p.requests())
}
