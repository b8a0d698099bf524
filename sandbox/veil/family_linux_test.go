package veil_test

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/veil"
)

func TestOnlyTheFamilyHoldsASocket(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	file, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var stat syscall.Stat_t
	require.NoError(t, syscall.Fstat(int(file.Fd()), &stat))
	assert.True(t, veil.Holds(stat.Ino))

	child := exec.CommandContext(t.Context(), "sh", "-c", "sleep 60 & read line; kill $!")
	in, err := child.StdinPipe()
	require.NoError(t, err)
	child.ExtraFiles = []*os.File{file}
	require.NoError(t, child.Start())
	require.NoError(t, file.Close())
	assert.True(t, veil.Holds(stat.Ino), "a child or a grandchild holds it")
	require.NoError(t, in.Close())
	require.NoError(t, child.Wait())
	assert.False(t, veil.Holds(stat.Ino), "it is nobody's")
	assert.False(t, veil.Holds(0))
}
