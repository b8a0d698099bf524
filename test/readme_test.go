package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
)

// prelude stands in for what a person at a terminal does: waits until the
// server and the sidecar are there, and uses a port that is free.
const prelude = `set -eu
sallyport() {
  case "$1" in
  agent) until [ -S "$SALLYPORT_HOME/state/admin.sock" ]; do sleep 0.05; done ;;
  esac
  command sallyport "$@"
  case "$1" in
  init) sed -i.bak "s/8443/$PORT/g" "$SALLYPORT_HOME/sallyport.yaml" ;;
  esac
}
cat() { until [ -s "$1" ]; do sleep 0.05; done; command cat "$1"; }
`

// TestREADMECommands runs the commands of the first page, in order, in one
// shell, so that the page cannot lie.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := rig.Build(t.Context(), dir)
	require.NoError(t, err)
	address, err := rig.FreeAddress()
	require.NoError(t, err)
	_, port, _ := strings.Cut(address, ":")

	var script strings.Builder
	script.WriteString(prelude)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(documents(t)["../README.md"], -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		script.WriteString(strings.ReplaceAll(block[1], "8443", port))
	}
	script.WriteString("echo all commands done\n")

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "USER=me", "PORT=" + port,
		"SALLYPORT_HOME=" + filepath.Join(dir, "home"),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &rig.Log{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done: // the server and the sidecar are still in the background
	case <-time.After(time.Minute):
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	assert.Contains(t, out.String(), "all commands done", out.String())
	t.Log(out.String(), err)
}
