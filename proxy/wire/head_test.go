package wire_test

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

// heads are beginnings of HTTP/1.1 conversations worth varying.
var heads = []string{
	"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET https://api.test/a?b HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\nbodyGET /y HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-T: 1\r\n\r\nGET /y HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /x HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET / HTTP/1.1\nHost: api.test\n\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nX: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET /a/%2e%2e/b HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET /a;b=%zz HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	"PUT /x HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n",
	"GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET //evil.test/x HTTP/1.1\r\nHost: api.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	"\r\n\r\nGET / HTTP/1.1\r\nHost: api.test\r\n\r\n",
}

// FuzzCheckHead: what is accepted is what net/http understands, too, with the
// same Host, one framing at most and no line that a lenient parser could split.
func FuzzCheckHead(f *testing.F) {
	for _, seed := range heads {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, head []byte, old bool) {
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			head = head[:end+4]
		}
		hostField, err := wire.CheckHead(head, old)
		if err != nil {
			return
		}
		lines := bytes.Split(head, []byte("\n"))
		for _, line := range lines[:len(lines)-1] {
			require.True(t, bytes.HasSuffix(line, []byte("\r")), "a bare line feed in %q", head)
		}
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		require.False(t, len(request.TransferEncoding) > 0 && old, "%q", head)
		if !request.URL.IsAbs() && request.URL.Host == "" {
			require.Equal(t, request.Host, hostField, "%q", head)
		}
	})
}
