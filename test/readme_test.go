package test

import (
	"errors"
	"io/fs"
	"net"
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

// listener is where a fresh HOME listens, as the first page leaves it.
const listener = "127.0.0.1:8443"

// TestREADMECommands runs the commands of the first page as they stand there, in
// order, in one shell, in a copy of the checkout, so that the page cannot lie.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	requireFree(t, listener)
	home, checkout := t.TempDir(), filepath.Join(t.TempDir(), "sallyport")
	copyCheckout(t, checkout)
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(documents(t)["../README.md"], -1)
	require.NotEmpty(t, blocks)
	script := "set -eu\n"
	for _, block := range blocks {
		assert.NotContains(t, block[1], " # ", "an interactive zsh knows no comments")
		script += block[1]
	}
	script += "echo all commands done; env | grep -i ^https_proxy\n"

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = checkout
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GOPATH=" + goEnv(t, "GOPATH"), "GOCACHE=" + goEnv(t, "GOCACHE")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out := &rig.Log{}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done: // the server and the sidecar are still in the background
	case <-time.After(5 * time.Minute): // it compiles
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	text := out.String()
	assert.Regexp(t, `all commands done\n(?i:https_proxy)=http://agent:[A-Z2-7]+@127\.0\.0\.1:`, text)
	assert.Contains(t, text, "the trail is whole")
	assert.Regexp(t, `build-7 +allow +read-docs +GET https://example.com:443/ `, text, "what was asked is on the list")
	assert.Regexp(t, `build-7 +deny +nothing-hidden +GET https://example.com:443/\.env +403 +refused \(policy\)`, text)
}

// requireFree: the page names no port, so that its server takes the default.
func requireFree(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && os.Getenv("REQUIRE_CLIENTS") == "" {
		t.Skipf("something else listens on %s", address)
	}
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// copyCheckout copies what a clone would have.
func copyCheckout(t *testing.T, to string) {
	t.Helper()
	left := map[string]bool{"../.git": true, "../bin": true, "../.cache": true}
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case left[path]:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, path[2:]), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path[2:]), data, info.Mode().Perm())
	}))
}
