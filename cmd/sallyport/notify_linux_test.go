package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A service manager hears which process is the main one, also after a take-over,
// and that the last one stops.
func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer manager.Close()
	heard := func() string {
		t.Helper()
		require.NoError(t, manager.SetReadDeadline(time.Now().Add(20*time.Second)))
		message := make([]byte, 200)
		n, err := manager.Read(message)
		require.NoError(t, err)
		return string(message[:n])
	}
	sallyport := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", append([]string{"--home", filepath.Join(dir, "home")}, args...)...)
		cmd.Args[0] = "sallyport"
		cmd.Env = []string{"HOME=" + dir, "NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "USER=dana"}
		return cmd
	}
	out, err := sallyport("init").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "home", "sallyport.yaml"), []byte("trust_domain: agents.internal\nlisten: 127.0.0.1:0\n"), 0o600))

	first, second := sallyport("serve"), sallyport("serve", "--take-over")
	require.NoError(t, first.Start())
	assert.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d", first.Process.Pid), heard())
	require.NoError(t, second.Start())
	assert.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d", second.Process.Pid), heard())
	require.NoError(t, first.Wait(), "it ends, and says nothing about the service")
	require.NoError(t, second.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "STOPPING=1", heard())
	require.NoError(t, second.Wait())
}
