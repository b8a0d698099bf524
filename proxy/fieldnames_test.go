package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// headOf reads a head as it was sent.
func headOf(reader *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := reader.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

// Some who read fields compare their names as text, so that both sides see them as the other
// has written them.
func TestFieldNamesPassAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	const names = "x-amz-meta-foo: 1\r\nETag: \"a\"\r\nX-Usual: 2\r\nX-MiXeD-cAsE: 3\r\nx_under: 4\r\n"
	const get, put, put2 = "GET /x HTTP/1.1\r\nhost: api.test\r\n", "PUT /x HTTP/1.1\r\nhost: api.test\r\ncontent-length: 5\r\n", "PUT /x HTTP/1.1\r\nHOST: api.test\r\nTransfer-Encoding: chunked\r\n"
	const hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
	long := "X-Long: " + strings.Repeat("a", 9000) + "\r\n"
	for name, c := range map[string]struct{ request, sends, answer, body string }{
		"a length":       {get, "", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "hello"},
		"no body":        {get, "", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", ""},
		"chunked":        {get, "", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		"long":           {get, "", "HTTP/1.1 200 OK\r\n" + long + "content-length: 5\r\n", "hello"},
		"hints":          {get, "", hints + "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "hello"},
		"an upload":      {put, "hello", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n", ""},
		"chunked upload": {put2, "5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n", ""},
		"long request":   {get + long, "", "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n", "hello"},
		"folded twice":   {get + "X-Usual: again\r\n", "", "HTTP/1.1 200 OK\r\nX-USUAL: 1\r\ncontent-length: 5\r\n", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			asked := make(chan string, 1)
			r.rawUpstream("api.test", func(conn net.Conn) {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				head, err := headOf(reader)
				if err != nil {
					return
				}
				asked <- head
				if strings.HasPrefix(head, "PUT") {
					body := io.LimitReader(reader, 5)
					if strings.Contains(head, "chunked") {
						body = httputil.NewChunkedReader(reader)
					}
					text, _ := io.ReadAll(body)
					assert.Equal(t, "hello", string(text))
				}
				_, _ = io.WriteString(conn, c.answer+names+"\r\n"+c.body)
				_, _ = reader.ReadByte()
			})
			conn := r.connect(r.agent("a"), "api.test:443", "api.test")
			require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
			_, err := io.WriteString(conn, c.request+names+"authorization: Bearer own\r\n\r\n"+c.sends)
			require.NoError(t, err)
			reader := bufio.NewReader(conn)
			told, err := headOf(reader)
			require.NoError(t, err)
			if strings.HasPrefix(c.answer, hints) {
				assert.Contains(t, told, "\r\nlink: x\r\n")
				told, err = headOf(reader)
				require.NoError(t, err)
			}
			sent := <-asked
			for _, line := range strings.SplitAfter(names, "\r\n") {
				name, _, _ := strings.Cut(line, ":")
				if name == "X-Usual" && strings.Contains(c.answer, "X-USUAL") { // one field has one name
					name = "X-USUAL"
				}
				assert.Contains(t, told, "\r\n"+name)
				assert.Contains(t, sent, "\r\n"+line)
			}
			assert.Contains(t, sent, "\r\n"+c.request[len("GET /x HTTP/1.1\r\n"):][:4]+": api.test\r\n", "Host too")
			assert.Contains(t, sent, "\r\nauthorization: Bearer "+canary+"\r\n", "what is injected takes the place of what the agent has sent")
			assert.NotContains(t, sent, "own")
			if strings.Contains(c.answer, "content-length") {
				assert.Contains(t, told, "\r\ncontent-length: ")
			}
			response, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(told), reader)), nil)
			require.NoError(t, err)
			assert.Equal(t, strings.Contains(c.body, "hello"), body(t, response) == "hello")
		})
	}
}
