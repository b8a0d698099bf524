package proxy_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// ask2 sends one request of raw fields over HTTP/2 and returns the answer.
func (r *rig) ask2(a agent, fields [][2]string) (status int, text string) {
	t := r.t
	conn := r.connectSpeaking(a, "api.test:443", "api.test", "h2")
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	require.NoError(t, framer.WriteSettings())
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	for {
		frame, err := framer.ReadFrame()
		require.NoError(t, err)
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, err = strconv.Atoi(f.PseudoValue("status"))
			require.NoError(t, err)
		case *http2.DataFrame:
			text += string(f.Data())
		case *http2.RSTStreamFrame:
			return 0, f.ErrCode.String()
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) && frame.Header().StreamID == 1 {
			return status, text
		}
	}
}

func TestMalformedHTTP2RequestsAreRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var reached atomic.Int64
	r.upstream(func(http.ResponseWriter, *http.Request) { reached.Add(1) }, true, "api.test")
	request := func(method, path, authority string, more ...string) [][2]string {
		fields := [][2]string{{":method", method}, {":scheme", "https"}, {":path", path}, {":authority", authority}}
		for i := 0; i+1 < len(more); i += 2 {
			fields = append(fields, [2]string{more[i], more[i+1]})
		}
		return fields
	}
	for name, c := range map[string]struct {
		fields [][2]string
		status int
		word   string
	}{
		"other authority": {request("GET", "/", "other.test"), 421, "authority"},
		"other port":      {request("GET", "/", "api.test:444"), 421, "authority"},
		"other host":      {request("GET", "/", "api.test", "host", "other.test"), 421, "authority"},
		"two hosts":       {request("GET", "/", "api.test", "host", "api.test", "host", "api.test"), 400, "malformed"},
		"host alone":      {request("GET", "/", "other.test")[:3], 400, "malformed"},
		"star":            {request("OPTIONS", "*", "api.test"), 400, "malformed"},
		"trace":           {request("TRACE", "/", "api.test"), 400, "malformed"},
		"dot segment":     {request("GET", "/a/../b", "api.test"), 400, "malformed"},
		"nul":             {request("GET", "/a%00", "api.test"), 400, "malformed"},
		"fragment":        {request("GET", "/a#b", "api.test"), 400, "malformed"},
		"override":        {request("POST", "/a", "api.test", "x-http-method", "DELETE"), 400, "malformed"},
		"websocket":       {request("WEBSOCKET", "/a", "api.test"), 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.agent(strings.ReplaceAll(name, " ", "-"))
			status, text := r.ask2(a, c.fields)
			assert.Equal(t, c.status, status, text)
			assert.Contains(t, text, "urn:sallyport:refusal:"+c.word)
			found := false
			for _, row := range r.rows() {
				if row.Agent == a.ID {
					found = true
					assert.Equal(t, c.word, row.Outcome.Refusal)
				}
			}
			assert.True(t, found, "no row")
		})
	}
	// What HTTP/2 itself forbids is refused by the server, whatever it answers.
	for name, fields := range map[string][][2]string{
		"connection": request("GET", "/", "api.test", "connection", "close"),
		"upgrade":    request("GET", "/", "api.test", "upgrade", "websocket"),
		"encoding":   request("GET", "/", "api.test", "transfer-encoding", "chunked"),
		"upper case": request("GET", "/", "api.test", "X-Upper", "x"),
		"connect":    request("CONNECT", "/", "api.test"),
		"too large":  request("GET", "/", "api.test", "x-a", strings.Repeat("a", 15<<10), "x-b", strings.Repeat("b", 60<<10)),
		"user":       request("GET", "/", "u:p@api.test"),
	} {
		status, text := r.ask2(r.agent("h2-"+strings.ReplaceAll(name, " ", "-")), fields)
		assert.NotEqual(t, 200, status, "%s: %s", name, text)
	}
	assert.Equal(t, int64(0), reached.Load())
	status, _ := r.ask2(r.agent("good"), request("GET", "/", "api.test", "host", "API.test:443"))
	assert.Equal(t, 200, status)
}
