package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/textproto"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/fieldname"
	"sallyport/internal/host"
	"sallyport/proxy/upstream"
)

// name is what httptest's certificate is for, beside loopback addresses.
const name = "example.com"

func authority(t *testing.T, text string) host.Authority {
	t.Helper()
	a, err := host.ParseAuthority(text, 443)
	require.NoError(t, err)
	return a
}

// origin is a TLS server for name that speaks these protocols.
func origin(t *testing.T, protocols []string, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{NextProtos: protocols}
	if !slices.Contains(protocols, "http/1.1") {
		server.TLS.GetConfigForClient = onlyHTTP2
	}
	server.EnableHTTP2 = protocols[0] == "h2"
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// onlyHTTP2 refuses a client that does not offer HTTP/2. Go's servers take HTTP/1.1 to be
// meant by one that offers only that, whatever they were told to speak.
func onlyHTTP2(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if slices.Contains(hello.SupportedProtos, "h2") {
		return nil, nil
	}
	return &tls.Config{NextProtos: []string{"nothing"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, errors.New("no protocol in common")
	}}, nil
}

// leading are settings by which name leads to the server.
func leading(t *testing.T, server *httptest.Server) *upstream.Settings {
	t.Helper()
	s, err := upstream.NewSettings(
		[]upstream.RootSet{{Certificates: []*x509.Certificate{server.Certificate()}}},
		map[host.Authority]string{authority(t, name): server.Listener.Addr().String()}, nil)
	require.NoError(t, err)
	return s
}

func noListeners() []netip.AddrPort { return nil }

// heard keeps what a request's Watcher was told.
type heard struct {
	mu       sync.Mutex
	address  string
	first    bool
	statuses []int
	refuse   error // of a 1xx answer
}

func (h *heard) Names() fieldname.Names { return nil }

func (h *heard) Named(fieldname.Names) {}

func (h *heard) Connected(address string, _ time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.address = address
}

func (h *heard) FirstByte() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first = true
}

func (h *heard) Informational(code int, _ textproto.MIMEHeader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses = append(h.statuses, code)
	return h.refuse
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return r
}

func read(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

func TestARequestLeavesInTheProtocolItCameInWhereThatIsSpoken(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		speaks []string
		http2  bool // of the agent
		leaves string
	}{
		"both, and the agent HTTP/1.1":         {[]string{"h2", "http/1.1"}, false, "HTTP/1.1"},
		"both, and the agent HTTP/2":           {[]string{"h2", "http/1.1"}, true, "HTTP/2.0"},
		"HTTP/2 alone, the agent HTTP/1.1":     {[]string{"h2"}, false, "HTTP/2.0"},
		"HTTP/1.1 alone, the agent HTTP/2":     {[]string{"http/1.1"}, true, "HTTP/1.1"},
		"HTTP/1.1 alone, the agent it as well": {[]string{"http/1.1"}, false, "HTTP/1.1"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			server := origin(t, c.speaks, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				_, _ = io.WriteString(w, r.Proto)
			})
			transport := upstream.NewWays(noListeners).Transport(nil, leading(t, server), 8, nil)
			defer transport.CloseIdle()
			for range 2 { // the second time it is known what the upstream speaks
				told := &heard{}
				response, err := transport.RoundTrip(request(t, "https://"+name+":443/"), told, c.http2)
				require.NoError(t, err)
				assert.Equal(t, c.leaves, read(t, response))
				told.mu.Lock()
				assert.Equal(t, server.Listener.Addr().String(), told.address)
				assert.True(t, told.first)
				assert.Equal(t, []int{http.StatusEarlyHints}, told.statuses)
				told.mu.Unlock()
			}
		})
	}
}

func TestARedirectIsAnAnswer(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"h2", "http/1.1"}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+name+"/elsewhere", http.StatusFound)
	})
	transport := upstream.NewWays(noListeners).Transport(nil, leading(t, server), 8, nil)
	defer transport.CloseIdle()
	for _, http2 := range []bool{false, true} {
		response, err := transport.RoundTrip(request(t, "https://"+name+":443/"), &heard{}, http2)
		require.NoError(t, err)
		_ = read(t, response)
		assert.Equal(t, http.StatusFound, response.StatusCode)
	}
}

func TestAWatcherEndsARequestWithTooManyHints(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"h2", "http/1.1"}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) })
	transport := upstream.NewWays(noListeners).Transport(nil, leading(t, server), 8, nil)
	defer transport.CloseIdle()
	for _, http2 := range []bool{false, true} {
		response, err := transport.RoundTrip(request(t, "https://"+name+":443/"), &heard{refuse: io.ErrShortWrite}, http2)
		if err == nil {
			_ = response.Body.Close()
		}
		require.ErrorContains(t, err, io.ErrShortWrite.Error())
	}
}

func TestATransportIsKeptAsLongAsItFits(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"h2", "http/1.1"}, func(http.ResponseWriter, *http.Request) {})
	ways, settings := upstream.NewWays(noListeners), leading(t, server)
	first := ways.Transport(nil, settings, 8, nil)
	assert.Same(t, first, ways.Transport(first, settings, 8, nil))
	assert.NotSame(t, first, ways.Transport(first, settings, 9, nil), "another bound")
	assert.NotSame(t, first, ways.Transport(first, leading(t, server), 8, nil), "other settings, though they say the same")
	assert.NotSame(t, first, ways.Transport(nil, settings, 8, nil), "another agent")
	assert.NotSame(t, first, ways.Transport(first, settings, 8, new(tls.Certificate)), "another certificate is shown")
}

func TestErrandsGoByTheSettingsInForce(t *testing.T) {
	t.Parallel()
	server := origin(t, []string{"h2", "http/1.1"}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	ways, settings := upstream.NewWays(noListeners), leading(t, server)
	errands := ways.Errands(settings)
	response, err := errands.RoundTrip(request(t, "https://"+name+"/"))
	require.NoError(t, err)
	assert.Equal(t, "HTTP/1.1", read(t, response))
	assert.Same(t, errands, ways.Errands(settings))
	other := ways.Errands(&upstream.Settings{})
	assert.NotSame(t, errands, other)
	_, err = other.RoundTrip(request(t, "https://127.0.0.1/")) //nolint:bodyclose // there is none
	require.ErrorIs(t, err, upstream.ErrAddress)
	ways.CloseIdle()
}
