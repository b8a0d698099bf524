package ship_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit/ship"
)

// RFC 5424, 6: what a message without structured data looks like.
var syslogForm = regexp.MustCompile(`^<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]+ sallyport \d+ exchange - (\{.*\})$`)

// syslogServer reads messages behind their lengths until the other side ends
// the connection, and then ends it too (RFC 5425, 4.3 and 4.4).
type syslogServer struct {
	net.Listener
	t *testing.T

	mu       sync.Mutex
	messages []string
	cut      int // so many connections are cut in their middle
}

func (s *syslogServer) serve() {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.read(conn)
		_ = conn.Close()
	}
}

func (s *syslogServer) read(conn net.Conn) {
	for r := bufio.NewReader(conn); ; {
		length, err := r.ReadString(' ')
		if errors.Is(err, io.EOF) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !assert.NoError(s.t, err) {
			return
		}
		for {
			n, err := strconv.Atoi(strings.TrimSpace(length))
			if !assert.NoError(s.t, err) {
				return
			}
			message := make([]byte, n)
			if _, err := io.ReadFull(r, message); !assert.NoError(s.t, err) {
				return
			}
			s.messages = append(s.messages, string(message))
			if s.cut > 0 {
				s.cut--
				return
			}
			if length, err = r.ReadString(' '); errors.Is(err, io.EOF) {
				return
			}
		}
	}
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS() // for its certificate
	defer certificate.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	for name, config := range map[string]*tls.Config{
		"tls": {RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, "tcp": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			if config != nil {
				listener = tls.NewListener(listener, certificate.TLS)
			}
			server := &syslogServer{Listener: listener, t: t}
			var wg sync.WaitGroup
			wg.Go(server.serve)
			defer wg.Wait()
			defer func() { _ = listener.Close() }()
			shipSyslog(t, server, ship.Syslog{Address: listener.Addr().String(), TLS: config, Host: "host name", Encode: encode})
		})
	}
}

func shipSyslog(t *testing.T, server *syslogServer, d ship.Syslog) {
	t.Helper()
	_, path, ids := filled(t, 700)
	cursor, err := ship.OpenCursor(filepath.Join(t.TempDir(), "cursor"), d.Name(), 0)
	require.NoError(t, err)
	r := reader(t, path)
	server.mu.Lock()
	server.cut = 1
	server.mu.Unlock()
	_, err = ship.Run(t.Context(), config(r, d, cursor))
	require.Error(t, err, "the server has not read everything")
	assert.Zero(t, cursor.After())
	n, err := ship.Run(t.Context(), config(r, d, cursor))
	require.NoError(t, err)
	assert.EqualValues(t, len(ids), n)
	seen := map[string]bool{}
	server.mu.Lock()
	defer server.mu.Unlock()
	for _, m := range server.messages {
		parts := syslogForm.FindStringSubmatch(m)
		require.NotNil(t, parts, m)
		assert.Equal(t, "110", parts[1], "log audit, informational")
		for _, id := range readIDs(t, strings.NewReader(parts[2])) {
			seen[id.String()] = true
		}
	}
	assert.Len(t, seen, len(ids))
}
