package server_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/server"
	"sallyport/test/rig"
)

// What is open may end; nobody new comes in meanwhile, and commands are answered to the end.
func TestADrainLetsExchangesEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{Drain: time.Minute})
	a := w.agent(t, "a")
	c := w.client(t)
	end := a.hold(t, "/held")
	r.stop()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", a.Proxy)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, patience, time.Millisecond, "nobody is let in any more")
	got := readiness(t, c)
	assert.Equal(t, server.StatusFailed, got.Status)
	agents, err := c.Agents(t.Context())
	require.NoError(t, err)
	assert.Len(t, agents, 1)

	close(w.gate)
	rest, err := end()
	require.NoError(t, err)
	assert.Equal(t, "ok", rest)
	a.trip.CloseIdleConnections()
	require.NoError(t, r.end(t))
	assert.Equal(t, audit.OutcomeCompleted, w.row(t, "/held").Outcome.Outcome)
	w.closed(t)
}

// What is still open at the end of the drain is cut, and its row says so.
func TestADrainHasAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{Drain: time.Millisecond})
	a := w.agent(t, "a")
	end := a.hold(t, "/held")
	r.shut(t)
	_, err := end()
	require.Error(t, err)
	row := w.row(t, "/held")
	assert.True(t, row.Ended)
	assert.Equal(t, audit.OutcomeInterrupted, row.Outcome.Outcome)
	assert.Len(t, w.events(t, audit.TypeServerStopped), 1)
	w.closed(t)
}

// Who has only connected keeps no server from its end, nor the trail from saying so.
func TestASilentCallerKeepsNoServer(t *testing.T) {
	t.Parallel()
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	w := newWorld(t, "health: {listen: "+address+"}\n")
	r := w.serve(t, server.ServeOptions{})
	w.client(t)
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	r.shut(t)
	assert.Less(t, time.Since(begun), 4*time.Second)
	assert.Len(t, w.events(t, audit.TypeServerStopped), 1)
	w.closed(t)
}

// A stop cuts an agent's exchanges even while the server drains.
func TestAStopIsHeardInADrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	r := w.serve(t, server.ServeOptions{Drain: time.Minute})
	a := w.agent(t, "a")
	c := w.client(t)
	end := a.hold(t, "/held")
	r.stop()
	_, err := c.SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	_, err = end()
	require.Error(t, err)
	require.NoError(t, r.end(t))
	assert.Equal(t, audit.OutcomeRevoked, w.row(t, "/held").Outcome.Outcome)
}
