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

// Clients that open no tunnel for https:// ask for it as for http://, over TLS to the proxy. They
// get what they would get in a tunnel, and no more.
func TestHTTPSInAbsoluteForm(t *testing.T) {
	pairs(t, func(t *testing.T, agentSide, upstreamSide bool) {
		if agentSide {
			return // an agent's requests without a tunnel are HTTP/1.1
		}
		var arrived recorder
		r := newRig(t)
		r.upstream(arrived.serve, upstreamSide, "api.test")
		for name, c := range map[string]struct {
			request string
			status  int
			refusal string
		}{
			"credential":   {"GET https://api.test/x?a=%20 HTTP/1.1\r\nHost: api.test\r\n\r\n", 200, ""},
			"a port":       {"GET HTTPS://api.test:443/x?a=%20 HTTP/1.1\r\nHost: api.test\r\n\r\n", 200, ""},
			"denied":       {"GET https://api.test/forbidden/x HTTP/1.1\r\nHost: api.test\r\n\r\n", 403, "policy"},
			"clear text":   {"GET http://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", 403, "policy"},
			"another port": {"GET https://api.test:80/x HTTP/1.1\r\nHost: api.test:80\r\n\r\n", 403, "policy"},
			"another host": {"GET https://api.test/x HTTP/1.1\r\nHost: open.test\r\n\r\n", 421, "authority"},
			"another form": {"GET wss://api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
			"a name":       {"GET https://me@api.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n", 400, "malformed"},
			"copied away":  {"COPY https://api.test/x HTTP/1.1\r\nHost: api.test\r\nDestination: https://open.test/y\r\n\r\n", 421, "authority"},
			"copied":       {"COPY https://api.test/x HTTP/1.1\r\nHost: api.test\r\nDestination: https://api.test/forbidden/y\r\n\r\n", 403, "policy"},
		} {
			conn := r.dial(r.agent("a"))
			require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
			_, err := io.WriteString(conn, c.request)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err, name)
			text := body(t, response)
			assert.Equal(t, c.status, response.StatusCode, "%s: %s", name, text)
			row := r.rows()[0]
			assert.Equal(t, c.refusal, row.Outcome.Refusal, name)
			if c.refusal != "" {
				continue
			}
			assert.Equal(t, "Bearer "+canary, arrived.request().Header.Get("Authorization"), name)
			assert.Equal(t, "/x?a=%20", arrived.request().RequestURI, name)
			assert.Equal(t, "https", row.Scheme, name)
			assert.EqualValues(t, 443, row.Port, name)
			assert.Equal(t, "injected", row.Rule, name)
		}
	})
}
