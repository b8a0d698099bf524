//go:build unix

package server_test

import (
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
	"sallyport/server"
	"sallyport/test/rig"
)

// received is what a server sends to the one that takes over from it.
type received struct {
	Listeners []struct{ Name, Configured string }
	files     []*os.File
}

// receive takes the first message of a take-over, as the next server does.
func receive(t *testing.T, conn *net.UnixConn) (r received) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	message, rights := make([]byte, 16<<10), make([]byte, syscall.CmsgSpace(16*4))
	n, rightsN, _, _, err := conn.ReadMsgUnix(message, rights)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(message[:n], &r))
	controls, err := syscall.ParseSocketControlMessage(rights[:rightsN])
	require.NoError(t, err)
	for i := range controls {
		descriptors, err := syscall.ParseUnixRights(&controls[i])
		require.NoError(t, err)
		for _, fd := range descriptors {
			f := os.NewFile(uintptr(fd), "listener")
			r.files = append(r.files, f)
			t.Cleanup(func() { _ = f.Close() })
		}
	}
	return r
}

// shutDown ends a listening socket for all who have it.
func shutDown(t *testing.T, ln *os.File) {
	t.Helper()
	require.NoError(t, syscall.Shutdown(int(ln.Fd()), syscall.SHUT_RDWR))
}

// say is one byte of what two servers say to each other.
func say(t *testing.T, conn net.Conn, what byte) {
	t.Helper()
	_, err := conn.Write([]byte{what})
	require.NoError(t, err)
}

// The first server ends what it has begun, the second one serves on the same address, and
// each row says what came of its exchange.
func TestTheNextServerTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	first := w.serve(t, server.ServeOptions{Drain: time.Minute})
	before := w.agent(t, "before")
	end := before.hold(t, "/held")

	second := w.serve(t, server.ServeOptions{TakeOver: true, Drain: time.Minute})
	first.log.until(t, "another process has taken over; draining")
	after := w.agent(t, "after")
	assert.Equal(t, before.Proxy, after.Proxy, "agents find the next server where they found this one")
	after.served(t)
	assert.False(t, w.row(t, "/held").Ended, "nobody has closed what still goes on")

	close(w.gate)
	rest, err := end()
	require.NoError(t, err)
	assert.Equal(t, "ok", rest)
	before.trip.CloseIdleConnections()
	require.NoError(t, first.end(t))
	assert.Equal(t, audit.OutcomeCompleted, w.ended(t, "/held").Outcome.Outcome)
	second.shut(t)
	w.closed(t)

	starts := w.events(t, audit.TypeServerStarted)
	require.Len(t, starts, 2)
	assert.Equal(t, "take-over", starts[1].Payload["after"])
	assert.Len(t, w.events(t, audit.TypeServerDrained), 1)
	assert.Len(t, w.events(t, audit.TypeServerStopped), 1)
}

// Listeners that sallyport.yaml calls otherwise by now are opened anew.
func TestTheNextServerListensWhereTheFileSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "health: {listen: 127.0.0.1:0}\n")
	first := w.serve(t, server.ServeOptions{})
	old := w.agent(t, "old")
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	w.configure(t, "listen: "+address+"\n")
	w.serve(t, server.ServeOptions{TakeOver: true})
	require.NoError(t, first.end(t))
	a := w.agent(t, "a")
	assert.Equal(t, address, a.Proxy)
	a.served(t)
	_, err = net.Dial("tcp", old.Proxy)
	require.Error(t, err)
}

// A next server that finds the files wrong leaves the first one as it was.
func TestANextServerThatCannotStartChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	first := w.serve(t, server.ServeOptions{})
	a := w.agent(t, "a")
	w.write(t, "policies/p.yaml", "no policy")
	err := w.env.Serve(t.Context(), slog.New(slog.DiscardHandler), server.ServeOptions{TakeOver: true})
	require.ErrorContains(t, err, "p.yaml:1: ")
	first.log.until(t, "no take-over: the next server did not get ready")
	a.served(t)
	w.agent(t, "b").served(t)

	w.write(t, "policies/p.yaml", policyFile)
	w.serve(t, server.ServeOptions{TakeOver: true})
	require.NoError(t, first.end(t))
}

// Until the next server says that it serves, this one takes everything back if that one ends.
func TestANextServerThatEndsTooEarlyIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	first := w.serve(t, server.ServeOptions{Drain: time.Minute})
	a := w.agent(t, "a")
	end := a.hold(t, "/held")
	conn, err := admin.TakeOver(t.Context(), w.layout.Socket(), admin.TakeOverRequest{Force: true})
	require.NoError(t, err)
	got := receive(t, conn)
	say(t, conn, 'r')
	yours := make([]byte, 1)
	_, err = conn.Read(yours)
	require.NoError(t, err)
	assert.Equal(t, "y", string(yours))
	lock, err := admin.Acquire(w.layout.Lock())
	require.NoError(t, err, "the stores are the next server's")
	require.NoError(t, lock.Release())
	for _, ln := range got.files {
		require.NoError(t, ln.Close())
	}
	require.NoError(t, conn.Close())
	first.log.until(t, "no take-over: the next server did not serve; this one goes on")

	close(w.gate)
	rest, err := end()
	require.NoError(t, err)
	assert.Equal(t, "ok", rest)
	require.Eventually(t, func() bool {
		c, err := w.env.Connect(t.Context())
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, time.Millisecond, "commands are answered again")
	w.agent(t, "b").served(t)
	_, err = admin.Acquire(w.layout.Lock())
	require.ErrorIs(t, err, admin.ErrLocked)
	first.shut(t)
	w.closed(t)
}

// What is not said in its turn is no take-over.
func TestWhoSaysSomethingElseIsNotTheNextServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "health: {listen: 127.0.0.1:0}\n")
	r := w.serve(t, server.ServeOptions{})
	conn, err := admin.TakeOver(t.Context(), w.layout.Socket(), admin.TakeOverRequest{Force: true})
	require.NoError(t, err)
	var names []string
	got := receive(t, conn)
	for _, ln := range got.Listeners {
		names = append(names, ln.Name+" "+ln.Configured)
	}
	assert.Equal(t, []string{"admin.sock ", "listen 127.0.0.1:0", "health.listen 127.0.0.1:0"}, names)
	assert.Len(t, got.files, 3)
	say(t, conn, 'x')
	r.log.until(t, `the other server says 'x' instead of 'r'`)
	require.NoError(t, conn.Close())
	w.agent(t, "a").served(t)
}

// The next server reads from the disk who is stopped, so that a stop which is not there yet
// stands in its way.
func TestNobodyTakesOverBeforeAStopIsOnDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.serve(t, server.ServeOptions{})
	w.agent(t, "a")
	execute(t, w.layout.Registry(), "CREATE TRIGGER full BEFORE UPDATE ON agents BEGIN SELECT RAISE(ABORT, 'full'); END")
	_, err := w.client(t).SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.ErrorContains(t, err, "not on disk")
	takeOver := func() error {
		conn, err := admin.TakeOver(t.Context(), w.layout.Socket(), admin.TakeOverRequest{Force: true})
		if err == nil {
			require.NoError(t, conn.Close())
		}
		return err
	}
	require.ErrorContains(t, takeOver(), "not on disk")
	unready(t, w, "registry", server.StatusWarning, "not on disk")

	execute(t, w.layout.Registry(), "DROP TRIGGER full")
	_, err = w.client(t).SuspendAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	require.NoError(t, takeOver())
	unready(t, w, "registry", server.StatusOK, "")
}

// A server that drains makes room for one that only wants its place when it is free.
func TestADrainingServerMakesRoom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	first := w.serve(t, server.ServeOptions{Drain: time.Minute, DrainAfter: time.Hour})
	a := w.agent(t, "a")
	first.stop()
	unready(t, w, "listener", server.StatusFailed, "draining")
	a.served(t)
	a.trip.CloseIdleConnections() // which the first server would wait for
	w.serve(t, server.ServeOptions{})
	require.NoError(t, first.end(t))
	a.served(t)
	unready(t, w, "listener", server.StatusOK, "")
}

// What agents are stopped by at the next server is cut in this one, which still has their
// exchanges.
func TestAStopReachesTheServerThatWasTakenOverFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	first := w.serve(t, server.ServeOptions{Drain: time.Minute})
	end := w.agent(t, "a").hold(t, "/held")
	w.serve(t, server.ServeOptions{TakeOver: true})
	_, err := w.client(t).RevokeAgent(t.Context(), admin.StatusRequest{ID: "a"})
	require.NoError(t, err)
	_, err = end()
	require.Error(t, err)
	require.NoError(t, first.end(t))
	assert.Equal(t, audit.OutcomeRevoked, w.ended(t, "/held").Outcome.Outcome)
}
