package proxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What cannot be parsed has a row, and in it neither a query, nor user information, nor
// what stands in the place of a method.
func TestRowsOfWhatCannotBeParsedHoldNoQuery(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	for raw, path := range map[string]string{
		"GET /a?token=hunter2 HTTP/1.1\r\nHost: api.test\r\nBad Header: x\r\n\r\n":                                           "/a",
		"GET /b?token=hunter2 HTTP/1.1\r\nHost: api.test\r\nContent-Length: x\r\n\r\n":                                       "/b",
		"GET /c?token=hunter2 HTTP/9.1\r\nHost: api.test\r\n\r\n":                                                            "/c",
		"GET https://user:hunter2@api.test/d?token=hunter2 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: hunter2\r\n\r\n": "/d",
		"GET https://user:hunter2@api.test?token=hunter2 HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: hunter2\r\n\r\n":   "/",
		strings.Repeat("M", 60000) + "hunter2 /a?token=hunter2 HTTP/1.1\r\nHost: api.test\r\nBad Header: x\r\n\r\n":          "",
		"Bearer hunter2 HTTP/1.1\r\n\r\n": "",
	} {
		conn := r.connect(a, "api.test:443", "api.test")
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err := io.WriteString(conn, raw)
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.NotContains(t, body(t, answer), "hunter2")
		row := r.rows()[0]
		assert.Equal(t, path, row.Path)
		assert.LessOrEqual(t, len(row.Method), 32)
		assert.NotContains(t, row.Method+row.Path+row.Outcome.Error, "hunter2")
		_ = conn.Close() // the proxy may have been first
	}
}

// The row of a CONNECT with user information says so without it.
func TestRowsHoldNoUserInformation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn := r.dial(r.agent("a"))
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := io.WriteString(conn, "CONNECT user:hunter2@api.test:443 HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.NotContains(t, body(t, answer), "hunter2")
	row := r.rows()[0]
	assert.Contains(t, row.Outcome.Error, "user information is not accepted")
	assert.NotContains(t, row.Path+row.Host+row.Outcome.Error, "hunter2")
	_ = conn.Close()
}
