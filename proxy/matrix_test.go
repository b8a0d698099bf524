package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// way is how an agent's request reaches the handler.
type way struct {
	name   string
	scheme string
	http2  bool
}

var ways = []way{{"plain h1", "http", false}, {"intercepted h1", "https", false}, {"intercepted h2", "https", true}}

const matrixPolicy = `
policy: operator
rules:
  - name: injected
    allow: {host: api.test}
    credential: key
  - name: clear
    allow: {host: api.test, scheme: http}
  - name: unusable
    allow: {host: broken.test}
    credential: broken
  - name: down
    allow: {host: "*.down.test"}
  - name: down-clear
    allow: {host: "*.down.test", scheme: http}
  - name: loopback
    allow: {host: "127.0.0.1:*"}
  - name: loopback-clear
    allow: {host: "127.0.0.1:*", scheme: http}
  - name: ask-first
    ask: {host: ask.test}
  - name: ask-first-clear
    ask: {host: ask.test, scheme: http}
  - name: never
    deny: {host: api.test, path: /forbidden/**}
`

// matrix is a rig whose upstreams do what the path of a request says.
type matrix struct {
	*rig
	mu      sync.Mutex
	arrived map[string]chan struct{} // by case: closed when the upstream has the request
	seen    bytes.Buffer             // every byte that agents were sent
}

func newMatrix(t *testing.T, options ...func(*rig)) *matrix {
	m := &matrix{arrived: map[string]chan struct{}{}}
	m.rig = newRig(t, append(options, func(r *rig) { r.policy = matrixPolicy })...)
	m.upstream(m.serve, true, "api.test")
	other := m.upstream(m.serve, true, "other.test") // its certificate does not name tls.down.test
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(m.serve)}
	go func() { _ = server.Serve(ln) }()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	t.Cleanup(func() {
		_ = server.Close()
		m.assertNoCanary("agents' view", m.seen.Bytes())
	})
	m.point("api.test:80", ln.Addr().String())
	for _, port := range []string{":80", ":443"} {
		m.point("refused.down.test"+port, closed.Addr().String())
		m.point("name.down.test"+port, "no..such.name:443")
	}
	m.point("tls.down.test:443", other.Listener.Addr().String())
	m.configure(matrixPolicy)
	return m
}

// arrival is closed when the upstream has the request of the case.
func (m *matrix) arrival(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.arrived[name] == nil {
		m.arrived[name] = make(chan struct{})
	}
	return m.arrived[name]
}

func (m *matrix) once(c chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-c:
	default:
		close(c)
	}
}

func (m *matrix) serve(w http.ResponseWriter, r *http.Request) {
	if name := r.Header.Get("X-Case"); name != "" {
		m.once(m.arrival(name))
	}
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/reset":
		panic(http.ErrAbortHandler)
	case "/hang":
		<-r.Context().Done()
	case "/stream":
		_, _ = io.WriteString(w, "half")
		_ = control.Flush()
		<-r.Context().Done()
	case "/short-stream":
		_, _ = io.WriteString(w, "half")
		_ = control.Flush()
		<-m.arrival("release " + r.Header.Get("X-Case"))
	case "/cut":
		_, _ = io.WriteString(w, "half")
		_ = control.Flush()
		panic(http.ErrAbortHandler)
	}
}

// exit is one way a request can leave.
type exit struct {
	host, path string
	only       string                                     // the one scheme it is about; both when empty
	before     func(t *testing.T, m *matrix, a agent)     // after a first exchange, on whose connection the case goes on
	during     func(t *testing.T, m *matrix, d *duration) // when the upstream has the request
	option     func(*rig)
	alone      bool // needs a rig of its own

	status  int  // of the answer; anyStatus: cutting a tunnel may leave none
	torn    bool // the body ends in an error
	refusal string
	outcome string // "": there is no row
	reached bool
}

const anyStatus = -1

// duration is a request that has reached its upstream.
type duration struct {
	name   string
	agent  agent
	cancel context.CancelFunc
	read   chan struct{} // closed when the agent has the answer's first bytes
	header http.Header   // of the answer
	text   string        // as far as it came
}

func TestEveryWayOut(t *testing.T) {
	// Without a sweep, what a request meets is its own look at the registry.
	shared := newMatrix(t, func(r *rig) { r.sweep = time.Hour })
	t.Run("all", func(t *testing.T) {
		for name, c := range exits {
			for _, w := range ways {
				if c.only == "" || c.only == w.scheme {
					t.Run(name+" "+w.name, func(t *testing.T) {
						t.Parallel()
						m := shared
						if c.alone {
							m = newMatrix(t, func(r *rig) {
								if c.option != nil {
									c.option(r)
								}
							})
						}
						m.leave(t, name+" "+w.name, c, w)
					})
				}
			}
		}
	})
}

// leave sends the request of a case and looks at all there is to see of it.
func (m *matrix) leave(t *testing.T, name string, c exit, w way) {
	a := m.agent("a")
	client := m.client(a, w.http2)
	first := 0
	if c.before != nil {
		if !w.http2 {
			client = m.pinned(a, w)
		}
		response, err := client.Get(w.scheme + "://api.test/")
		require.NoError(t, err)
		require.Empty(t, body(t, response))
		c.before(t, m, a)
		first = 1
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := &duration{name: name, agent: a, cancel: cancel, read: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c.during != nil {
			<-m.arrival(name)
			c.during(t, m, d)
		}
	}()
	status, word, err := m.ask(ctx, t, client, c, w, d)
	<-done
	if c.status != anyStatus {
		assert.Equal(t, c.status, status)
		assert.Equal(t, c.torn, err != nil, "the end of the answer: %v", err)
	}
	if c.outcome != "refused" && status == http.StatusOK {
		assert.Empty(t, word)
	} else if status > 0 && (c.status != anyStatus || err == nil) {
		assert.Equal(t, "urn:sallyport:refusal:"+c.refusal, word)
	}
	select {
	case <-m.arrival(name):
		assert.True(t, c.reached, "the upstream was reached")
	default:
		assert.False(t, c.reached, "the upstream was not reached")
	}
	row := m.assertRow(t, a, c, first)
	if word != "" {
		d.assertProblem(t, status, c, row)
	}
}

// pinned is a client with one HTTP/1.1 connection, open already. Go's own opens
// another when it is not sure soon enough that its last request was written, and
// an agent that is suspended by then gets no tunnel.
func (m *matrix) pinned(a agent, w way) *http.Client {
	var conn net.Conn
	write := (*http.Request).WriteProxy
	if w.scheme == "https" {
		conn, write = m.connect(a, "api.test:443", "api.test"), (*http.Request).Write
	} else {
		conn = m.dial(a)
	}
	reader := bufio.NewReader(conn)
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := write(r, conn); err != nil {
			return nil, err
		}
		return http.ReadResponse(reader, r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ask sends one request and returns its status (0: none), the type of the
// refusal, and how the body ended.
func (m *matrix) ask(ctx context.Context, t *testing.T, client *http.Client, c exit, w way, d *duration) (int, string, error) {
	host := c.host
	if host == "" {
		host = "api.test"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.scheme+"://"+host+"/", nil)
	require.NoError(t, err)
	request.URL.Opaque = "//" + host + c.path // as it is, dot segments and all
	if w.scheme == "https" {
		request.URL.Opaque = c.path
	}
	request.Header.Set("X-Case", d.name)
	response, err := client.Do(request)
	if err != nil {
		var sent *url.Error
		assert.ErrorAs(t, err, &sent)
		return 0, "", err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if c.torn || strings.HasSuffix(c.path, "stream") {
		_, err = io.CopyN(&text, response.Body, 4)
		assert.NoError(t, err)
	}
	close(d.read)
	_, err = io.Copy(&text, response.Body)
	d.header, d.text = response.Header, text.String()
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = response.Header.Write(&m.seen)
	m.seen.Write(text.Bytes())
	_, after, _ := strings.Cut(text.String(), `"type": "`)
	word, _, _ := strings.Cut(after, `"`)
	return response.StatusCode, word, err
}

// assertRow looks at the one row that the case has left, after the first, and
// returns it; nil if there is none.
func (m *matrix) assertRow(t *testing.T, a agent, c exit, first int) *audit.Exchange {
	var rows []audit.Exchange
	for _, row := range m.rows() {
		if row.Agent == a.ID {
			rows = append(rows, row)
		}
	}
	if c.outcome == "" {
		assert.Len(t, rows, first)
		return nil
	}
	if !assert.Len(t, rows, first+1) {
		return nil
	}
	row := rows[0]
	assert.Equal(t, c.outcome, row.Outcome.Outcome)
	word := row.Outcome.Refusal
	if word == "" {
		word = row.Refusal
	}
	assert.Equal(t, c.refusal, word)
	assert.Equal(t, c.path, row.Path)
	assert.Equal(t, a.serial, row.CertSerial)
	assert.Equal(t, "a", row.AgentName)
	assert.Equal(t, "person:dana", row.Accountable)
	return &row
}
