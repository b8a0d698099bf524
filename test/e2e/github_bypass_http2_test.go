package e2e_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// HTTP/2 says twice which host is meant, and has pseudo-fields that can come twice or
// late. Each of these wants a repository deleted, or read that is secret.
func TestNoHTTP2FormSlipsPast(t *testing.T) {
	t.Parallel()
	agent, err := shared.home.CreateAgent(t.Context(), "wide", "person:dana", "bypass-http2")
	require.NoError(t, err)
	line := func(method, path, authority string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "https", ":path", path, ":authority", authority, "user-agent", "http2"}, more...)
	}
	const path = "/repos/acme/api"
	for name, fields := range map[string][]string{
		"deletion":              line("DELETE", path, gitHubAPI),
		"another authority":     line("DELETE", path, gitHubWeb),
		"another host":          line("GET", path, gitHubAPI, "host", gitHubWeb),
		"the host of a tunnel":  line("GET", "/repos/acme/secret", gitHubWeb, "host", gitHubAPI),
		"host twice":            line("GET", path, gitHubAPI, "host", gitHubAPI, "host", gitHubWeb),
		"authority with a port": line("DELETE", path, gitHubAPI+":8443"),
		"authority with a user": line("DELETE", path, "x@"+gitHubAPI),
		"no authority":          {":method", "DELETE", ":scheme", "https", ":path", path, "user-agent", "http2"},
		"method twice":          {":method", "GET", ":method", "DELETE", ":scheme", "https", ":path", path, ":authority", gitHubAPI, "user-agent", "http2"},
		"path twice":            {":method", "GET", ":scheme", "https", ":path", "/repos/acme/web", ":path", "/repos/acme/secret", ":authority", gitHubAPI, "user-agent", "http2"},
		"late method":           line("GET", path, gitHubAPI, ":method", "DELETE"),
		"clear text":            {":method", "DELETE", ":scheme", "http", ":path", path, ":authority", gitHubAPI, "user-agent", "http2"},
		"override":              line("GET", path, gitHubAPI, "x-http-method-override", "DELETE"),
		"override, underscored": line("GET", path, gitHubAPI, "x_http_method_override", "DELETE"),
		"field in capitals":     line("GET", path, gitHubAPI, "X-HTTP-Method-Override", "DELETE"),
		"connection field":      line("GET", path, gitHubAPI, "connection", "x-http-method-override"),
		"line feed in a field":  line("GET", path, gitHubAPI, "x", "a\r\nx-http-method-override: DELETE"),
		"line feed in the path": line("GET", path+"\r\nX: y", gitHubAPI),
		"dots":                  line("GET", "/repos/acme/web/../secret/pulls", gitHubAPI),
		"absolute path":         line("DELETE", "https://api.github.com"+path, gitHubAPI),
		"relative path":         line("DELETE", path[1:], gitHubAPI),
	} {
		conn, err := agent.Dial(t.Context(), shared.address, gitHubAPI, "h2")
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		status := http2Status(t, conn, fields)
		assert.True(t, status == "" || status >= "400", "%s: %s", name, status)
		require.NoError(t, conn.Close())
	}
	assert.Empty(t, arrived("http2"))

	conn, err := agent.Dial(t.Context(), shared.address, gitHubAPI, "h2")
	require.NoError(t, err)
	defer conn.Close()
	assert.Equal(t, "200", http2Status(t, conn, line("GET", path, gitHubAPI, "host", gitHubAPI)), "what is in order arrives")
}

// http2Status sends one request of these fields and returns the answer's status, "" if
// the stream or the connection was ended without one.
func http2Status(t *testing.T, conn io.ReadWriter, fields []string) string {
	t.Helper()
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	status := ""
	decoder := hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			status = f.Value
		}
	})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return status
		}
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			_, err := decoder.Write(frame.HeaderBlockFragment())
			require.NoError(t, err)
			return status
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return status
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				require.NoError(t, framer.WriteSettingsAck())
			}
		}
	}
}
