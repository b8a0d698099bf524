package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatAJailDidNotLetOutHasARow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	for _, one := range []struct {
		authority, told string
		host            string
		port            uint16
		details         map[string]any
	}{
		{
			"ssh.test:22", "protocol=tcp&program=%2Fusr%2Fbin%2Fssh&reason=no+rule&count=3", "ssh.test", 22,
			map[string]any{"protocol": "tcp", "program": "/usr/bin/ssh", "reason": "no rule", "count": 3},
		},
		{
			"unix.invalid:1", "protocol=unix&path=%2Frun%2Fdocker.sock&count=1&secret=x", "", 0,
			map[string]any{"protocol": "unix", "path": "/run/docker.sock"},
		},
	} {
		conn := r.dial(a)
		require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
		_, err := io.WriteString(conn, "CONNECT "+one.authority+" HTTP/1.1\r\nHost: "+one.authority+"\r\nSallyport-Blocked: "+one.told+"\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusForbidden, response.StatusCode)
		assert.Contains(t, body(t, response), "urn:sallyport:refusal:blocked")
		row := r.rowsOf(1)[0]
		assert.Equal(t, "blocked", row.Refusal)
		assert.Equal(t, a.ID, row.Agent)
		assert.Equal(t, one.host, row.Host)
		assert.Equal(t, one.port, row.Port)
		for name, want := range one.details {
			assert.EqualValues(t, want, row.Details[name], name)
		}
		assert.NotContains(t, row.Details, "secret")
		assert.Empty(t, row.Outcome.UpstreamAddr)
		r = newRig(t)
		a = r.agent("a")
	}
}
