package probe_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/probe"
)

// serve accepts connections and does this with each.
func serve(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			do(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestWhatAnswersIsAHole(t *testing.T) {
	t.Parallel()
	answers := serve(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail"); _ = conn.Close() })
	resets := serve(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	})
	nobody := serve(t, func(net.Conn) {})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := l.Addr().String()
	require.NoError(t, l.Close())
	key := filepath.Join(t.TempDir(), "agent.key")
	require.NoError(t, os.WriteFile(key, []byte("key"), 0o600))

	r := probe.Run(t.Context(), probe.Config{Targets: []string{answers, resets, nobody, closed}, Secrets: []string{key, key + "-not"}, Near: true})
	assert.False(t, r.Confined)
	holes := map[string]bool{}
	for _, try := range r.Holes {
		holes[try.Target] = true
		assert.True(t, try.Hole)
	}
	assert.True(t, holes[answers], "it answered")
	assert.True(t, holes[nobody], "it was connected, though it said nothing")
	assert.True(t, holes[key])
	assert.False(t, holes[resets], "a jail resets what it catches and cannot read")
	assert.False(t, holes[closed])
	assert.False(t, holes[key+"-not"])
	assert.Greater(t, len(r.Tried), len(r.Holes))
}
