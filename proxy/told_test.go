package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// tell sends a CONNECT that tells what a sidecar has refused, and returns the answer's status.
func (r *rig) tell(a agent, told string) int {
	conn := r.dial(a)
	defer conn.Close()
	require.NoError(r.t, conn.SetDeadline(time.Now().Add(within)))
	_, err := io.WriteString(conn, "CONNECT none.invalid:1 HTTP/1.1\r\nHost: none.invalid:1\r\nSallyport-Refused: "+told+"\r\n\r\n")
	require.NoError(r.t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	require.NoError(r.t, err)
	defer response.Body.Close()
	return response.StatusCode
}

// events are those of a type.
func (r *rig) events(kind string) (events []audit.EventRow) {
	reader, err := trail.OpenReader(r.trailPath)
	require.NoError(r.t, err)
	defer reader.Close()
	require.NoError(r.t, reader.Events(context.Background(), audit.EventFilter{Type: kind}, func(row audit.EventRow) error {
		events = append(events, row)
		return nil
	}))
	return events
}

func TestWhatASidecarRefusedIsAnEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.agent("a")
	assert.Equal(t, http.StatusNoContent, r.tell(a, "password=3&malformed=1&seconds=60&caller=0&other=9&secret=x"))
	assert.Equal(t, http.StatusBadRequest, r.tell(a, "%zz"))
	events := r.events(audit.TypeSidecarRefused)
	require.Len(t, events, 1)
	told := events[0].Payload
	assert.Equal(t, a.ID.String(), told["agent"])
	assert.EqualValues(t, 3, told["password"])
	assert.EqualValues(t, 1, told["malformed"])
	assert.EqualValues(t, 60, told["seconds"])
	for _, name := range []string{"caller", "other", "secret"} {
		assert.NotContains(t, told, name)
	}
	assert.Empty(t, r.rowsOf(0), "it is no exchange")
}

// Who holds an identity can tell what it likes; it fills the trail no faster than with requests.
func TestWhatASidecarTellsIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(r *rig) { r.limits.RequestsPerSecond = 2 })
	a := r.agent("a")
	statuses := map[int]int{}
	for range 8 {
		statuses[r.tell(a, "password=1")]++
	}
	assert.Positive(t, statuses[http.StatusTooManyRequests], statuses)
	assert.Len(t, r.events(audit.TypeSidecarRefused), statuses[http.StatusNoContent])
}

// A client that does not accept what it is shown makes no request; the trail says why.
func TestClientsThatDistrustTheProxyHaveARow(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		config func(r *rig, c *tls.Config)
		want   string
	}{
		"another authority": {func(_ *rig, c *tls.Config) { c.RootCAs = x509.NewCertPool() }, "does not trust the interception authority"},
		"a clock":           {func(_ *rig, c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(-60 * 24 * time.Hour) } }, "clock is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			a := r.agent("a")
			raw := r.connect(a, "api.test:443", "api.test").NetConn()
			config := &tls.Config{RootCAs: r.roots(), ServerName: "api.test"}
			one.config(r, config)
			require.Error(t, tls.Client(raw, config).Handshake())
			row := r.rowsOf(1)[0]
			assert.Equal(t, "malformed", row.Refusal)
			assert.Equal(t, a.ID, row.Agent)
			assert.Equal(t, "api.test", row.Host)
			assert.Contains(t, row.Outcome.Error, one.want)
		})
	}
}

// In protocols like SMTP the server speaks first.
func TestASilentTunnelHasARowAndAnAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits ten seconds")
	}
	t.Parallel()
	r := newRig(t)
	conn := r.connect(r.agent("a"), "mail.test:25", "mail.test").NetConn()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
	assert.Contains(t, body(t, response), "the client speaks first")
	row := r.rowsOf(1)[0]
	assert.Equal(t, "malformed", row.Refusal)
	assert.EqualValues(t, 25, row.Port)
	assert.Contains(t, row.Outcome.Error, "nothing was sent")
}
