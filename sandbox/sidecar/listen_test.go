//go:build unix

package sidecar_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/sidecar"
)

func TestListenUnix(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "sp") //nolint:usetesting // t.TempDir may be too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := sidecar.Listen(t.Context(), "unix:"+path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, info.Mode())
	assert.Equal(t, "unix://agent:secret@"+path, sidecar.URL(l.Addr(), "secret"))
	assert.True(t, sidecar.Loopback(l.Addr()))

	_, err = sidecar.Listen(t.Context(), "unix:"+path)
	require.ErrorContains(t, err, "in use")

	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	l, err = sidecar.Listen(t.Context(), "unix:"+path)
	require.NoError(t, err, "a stale socket is replaced")
	require.NoError(t, l.Close())
	assert.NoFileExists(t, path)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = sidecar.Listen(t.Context(), "unix:"+path)
	require.ErrorContains(t, err, "not a socket")
	for _, bad := range []string{"unix:", "unix:@abstract", "unix:" + filepath.Join(dir, "none", "s")} {
		_, err = sidecar.Listen(t.Context(), bad)
		require.Error(t, err, bad)
	}
}

func TestListenTCP(t *testing.T) {
	t.Parallel()
	l, err := sidecar.Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	assert.Equal(t, "http://"+l.Addr().String(), sidecar.URL(l.Addr(), ""))
	assert.Equal(t, "http://agent:p@"+l.Addr().String(), sidecar.URL(l.Addr(), "p"))
	assert.True(t, sidecar.Loopback(l.Addr()))
	assert.False(t, sidecar.Loopback(&net.TCPAddr{IP: net.IPv4zero}))
	every, err := sidecar.Listen(t.Context(), "0.0.0.0:0")
	require.NoError(t, err)
	defer every.Close()
	assert.Contains(t, sidecar.URL(every.Addr(), ""), "http://0.0.0.0:", "not every address of IPv6 too")
	_, err = sidecar.Listen(t.Context(), "nonsense")
	require.Error(t, err)
}
