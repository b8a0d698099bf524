package sidecar_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// with are those that hold a text.
func (l *lines) with(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// The first refusal is said at once; all that follow within the minute are one line, and the
// proxy is told the same.
func TestWhatIsRefusedIsSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	w := &world{ca: ca, agent: ca.issue(t, nil, agentURI), log: &lines{}}
	w.upstream = serveUpstream(t, ca.serverConfig(ca.issue(t, nil, proxyURI)), echo)
	w.run(t, sidecar.Config{Proxy: w.upstream.address, Password: "correct"})
	told := w.upstream.refused

	w.tunnel(t)
	w.say(t, "nonsense\r\n\r\n")
	require.Eventually(t, func() bool { return len(told()) == 1 }, 20*time.Second, time.Millisecond)
	assert.Equal(t, []string{"malformed=1&seconds=0"}, told())

	for range 3 {
		w.say(t, "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	}
	w.say(t, "CONNECT a.example:443 HTTP/1.1\r\n\r\n") // is asked, and does not answer
	w.say(t, "\x05\x01\x00")
	w.say(t, "\x16\x03\x01")
	w.stop()
	require.NoError(t, <-w.stopped)
	require.Len(t, told(), 2, "the rest is told at the end")
	assert.Equal(t, "malformed=1&password=5&seconds=0", told()[1])
	said := w.log.with("clients are refused")
	require.Len(t, said, 2)
	assert.Contains(t, said[1], "password=5")
	assert.Contains(t, said[1], "malformed=1")
}

// What a client asks for in the name of a sidecar does not reach the proxy.
func TestNobodyElseTells(t *testing.T) {
	t.Parallel()
	w := start(t, echo)
	_, br := w.connect(t, "CONNECT a.example:443 HTTP/1.1\r\nsallyport-refused: password=9\r\nSallyport-Blocked: x\r\n\r\n")
	require.Equal(t, http.StatusOK, status(t, br))
	assert.Empty(t, w.upstream.seen()[0].Header)
}
