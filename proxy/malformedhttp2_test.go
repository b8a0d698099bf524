package proxy_test

import (
	"bytes"
	"errors"
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

	"sallyport/audit"
	"sallyport/proxy"
)

// speaker2 is an agent that writes its HTTP/2 frames by itself.
type speaker2 struct {
	t       *testing.T
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func (r *rig) speak2(a agent) *speaker2 {
	t := r.t.(*testing.T)
	conn := r.connectSpeaking(a, "api.test:443", "api.test", "h2")
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	c := &speaker2{t: t, framer: http2.NewFramer(conn, conn)}
	c.framer.AllowIllegalWrites = true
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.encoder = hpack.NewEncoder(&c.block)
	require.NoError(t, c.framer.WriteSettings())
	return c
}

// encode is the block of a header section. Field values stay in the table.
func (c *speaker2) encode(fields [][2]string) []byte {
	c.block.Reset()
	for _, f := range fields {
		require.NoError(c.t, c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	return bytes.Clone(c.block.Bytes())
}

// ask sends one request and returns the answer.
func (c *speaker2) ask(stream uint32, fields [][2]string) (status int, text string, err error) {
	block := c.encode(fields)
	const most = 16 << 10 // of a frame
	first := block[:min(most, len(block))]
	rest := block[len(first):]
	// The server may have ended the connection meanwhile.
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: len(rest) == 0})
	for len(rest) > 0 {
		part := rest[:min(most, len(rest))]
		rest = rest[len(part):]
		_ = c.framer.WriteContinuation(stream, len(rest) == 0, part)
	}
	return c.answer(stream)
}

// answer reads until the stream has ended. Status 0 means that it was reset.
func (c *speaker2) answer(stream uint32) (status int, text string, err error) {
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return 0, "", err
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok && away.ErrCode != http2.ErrCodeNo {
			return 0, "", errors.New(away.ErrCode.String())
		}
		if frame.Header().StreamID != stream {
			continue
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, err = strconv.Atoi(f.PseudoValue("status"))
			require.NoError(c.t, err)
		case *http2.DataFrame:
			text += string(f.Data())
		case *http2.RSTStreamFrame:
			return 0, f.ErrCode.String(), nil
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) && frame.Header().Type != http2.FrameWindowUpdate {
			return status, text, nil
		}
	}
}

// rowsOfAgent are the agent's rows, newest first.
func (r *rig) rowsOfAgent(a agent) (rows []audit.Exchange) {
	for _, row := range r.rows() {
		if row.Agent == a.ID {
			rows = append(rows, row)
		}
	}
	return rows
}

// ask2 sends one request of raw fields over HTTP/2 and returns the answer.
func (r *rig) ask2(a agent, fields [][2]string) (status int, text string) {
	status, text, err := r.speak2(a).ask(1, fields)
	require.NoError(r.t, err)
	return status, text
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
		"blank query":     {request("GET", "/a?b HTTP/1.1", "api.test"), 400, "malformed"},
		"blank path":      {request("GET", "/a b", "api.test"), 400, "malformed"},
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
	assert.Zero(t, reached.Load())
	status, _ := r.ask2(r.agent("good"), request("GET", "/", "api.test", "host", "API.test:443"))
	assert.Equal(t, 200, status)
}

// What HTTP/2 itself forbids reaches no handler: the server resets the stream, or
// answers by itself. It has a row all the same.
func TestWhatHTTP2ForbidsIsRecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var reached atomic.Int64
	r.upstream(func(http.ResponseWriter, *http.Request) { reached.Add(1) }, true, "api.test")
	request := func(path string, more ...string) [][2]string {
		fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", path}, {":authority", "api.test"}}
		for i := 0; i+1 < len(more); i += 2 {
			fields = append(fields, [2]string{more[i], more[i+1]})
		}
		return fields
	}
	for name, c := range map[string]struct {
		fields [][2]string
		status int // of the server's own answer; 0: reset
	}{
		"broken escape": {request("/a%zz?x=1"), 0},
		"no slash":      {request("a"), 0},
		"no path":       {request("/")[:2], 0},
		"two paths":     {request("/", ":path", "/b"), 0},
		"late path":     {request("/", "x-a", "b", ":path", "/b"), 0},
		"other pseudo":  {request("/", ":other", "x"), 0},
		"upper case":    {request("/", "X-Upper", "x"), 0},
		"no character":  {request("/", "x-a", "b\x00c"), 0},
		"line feed":     {request("/", "x-a", "b\r\nx-b: c"), 0},
		"connect":       {[][2]string{{":method", "CONNECT"}, {":scheme", "https"}, {":path", "/"}, {":authority", "api.test"}}, 0},
		"websocket":     {request("/", ":protocol", "websocket"), 0},
		"user":          {append(request("/")[:3:3], [2]string{":authority", "u:p@api.test"}), 0},
		"connection":    {request("/", "connection", "close"), 400},
		"upgrade":       {request("/", "upgrade", "websocket"), 400},
		"encoding":      {request("/", "transfer-encoding", "chunked"), 400},
		"too large":     {request("/", "x-a", strings.Repeat("a", 8<<10), "x-b", strings.Repeat("b", 55<<10)), 431},
		"far too large": {request("/", "x-a", strings.Repeat("a", 15<<10), "x-b", strings.Repeat("b", 180<<10)), -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.agent(strings.ReplaceAll(name, " ", "-"))
			c2 := r.speak2(a)
			status, text, err := c2.ask(1, c.fields)
			if c.status < 0 {
				require.Error(t, err, "the connection ends")
			} else {
				require.NoError(t, err)
				assert.Equal(t, c.status, status, text)
				status, text, err = c2.ask(3, request("/good"))
				require.NoError(t, err)
				assert.Equal(t, 200, status, text)
			}
			rows := r.rowsOfAgent(a)
			require.NotEmpty(t, rows)
			row := rows[len(rows)-1]
			assert.Equal(t, "malformed", row.Outcome.Refusal)
			assert.Equal(t, "2", row.HTTPVersion)
			assert.Equal(t, "api.test", row.Host)
			assert.Equal(t, max(0, c.status), row.Outcome.Status)
			assert.NotContains(t, row.Path, "?")
			if c.status >= 0 {
				assert.Len(t, rows, 2)
				assert.Equal(t, "/good", rows[0].Path)
			}
		})
	}
	t.Cleanup(func() { assert.Equal(t, int64(16), reached.Load(), "only what was good") })
}

// A section may come in several frames, with padding and a priority; what it is
// said to be must not depend on that, and neither may what comes behind it.
func TestSectionsAreFollowedThroughTheirFrames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.upstream(func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) }, true, "api.test")
	a := r.agent("a")
	c := r.speak2(a)
	block := func(path string) []byte {
		return c.encode([][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", path}, {":authority", "api.test"}, {"x-kept", "in the table"}})
	}
	stream := uint32(1)
	answered := func(want int, end func()) {
		end()
		status, text, err := c.answer(stream)
		require.NoError(t, err)
		assert.Equal(t, want, status, text)
		stream += 2
	}
	in := func(path string, parts int, more http2.HeadersFrameParam) func() {
		return func() {
			whole := block(path)
			more.StreamID, more.EndStream, more.EndHeaders = stream, true, parts == 1
			size := (len(whole) + parts - 1) / parts
			more.BlockFragment = whole[:size]
			require.NoError(t, c.framer.WriteHeaders(more))
			for at := size; at < len(whole); at += size {
				end := min(at+size, len(whole))
				require.NoError(t, c.framer.WriteContinuation(stream, end == len(whole), whole[at:end]))
			}
		}
	}
	priority := http2.PriorityParam{StreamDep: 0, Weight: 7}
	answered(200, in("/one", 1, http2.HeadersFrameParam{}))
	answered(0, in("/%zz/parts", 3, http2.HeadersFrameParam{}))
	answered(200, in("/two", 3, http2.HeadersFrameParam{PadLength: 9, Priority: priority}))
	answered(0, in("/%zz/padded", 1, http2.HeadersFrameParam{PadLength: 200, Priority: priority}))
	answered(0, func() {
		in("/own", 1, http2.HeadersFrameParam{Priority: http2.PriorityParam{StreamDep: stream, Weight: 1}})()
	})
	answered(200, func() { // with trailers, which are no request
		require.NoError(t, c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block("/three"), EndHeaders: true}))
		require.NoError(t, c.framer.WriteData(stream, false, []byte("data")))
		trailers := c.encode([][2]string{{"x-sum", "1"}})
		require.NoError(t, c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: trailers, EndStream: true, EndHeaders: true}))
	})
	answered(0, in("/%zz/last", 1, http2.HeadersFrameParam{}))
	var refused []string
	for _, row := range r.rowsOfAgent(a) {
		if row.Outcome.Refusal == "malformed" {
			refused = append(refused, row.Path)
		}
	}
	assert.Equal(t, []string{"/%zz/last", "/own", "/%zz/padded", "/%zz/parts"}, refused)
	assert.Len(t, r.rowsOfAgent(a), 7)

	require.NoError(t, c.framer.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}))
	_, _, err := c.answer(stream)
	require.Error(t, err, "what cannot be decoded ends the connection")
	assert.Equal(t, "malformed", r.rowsOfAgent(a)[0].Outcome.Refusal)
}

// Requests that cannot be parsed cost a row too, so they count against the limits.
func TestMalformedFloodIsSummedUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, limited(proxy.Limits{RequestsPerSecond: 5}))
	a := r.agent("a")
	c := r.speak2(a)
	for i := range uint32(300) {
		status, _, err := c.ask(2*i+1, [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", "/%zz"}, {":authority", "api.test"}})
		require.NoError(t, err)
		assert.Zero(t, status)
	}
	r.shutdown()
	malformed, summed := 0, 0
	for _, row := range r.rowsOfAgent(a) {
		if row.Outcome.Refusal == "malformed" {
			malformed++
		} else {
			assert.Equal(t, "limit", row.Outcome.Refusal)
			summed++
		}
	}
	assert.NotZero(t, summed)
	assert.Less(t, malformed+summed, 150)
}

var getRoot = [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "api.test"}}

func headersOf(stream uint32, block []byte, end bool) http2.HeadersFrameParam {
	return http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: end}
}

// open begins a request, with a body to come if it is not ended.
func (c *speaker2) open(stream uint32, ended bool) error {
	p := headersOf(stream, c.encode(getRoot), true)
	p.EndStream = ended
	return c.framer.WriteHeaders(p)
}
