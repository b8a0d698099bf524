package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nobody is a user without rights, who owns the HOME, the server and the command.
const nobody = 65534

const privateScript = `
export HOME="$PWD" SALLYPORT_HOME="$PWD/home" USER=nobody
"$1" init >/dev/null && printf 'trust_domain: agents.internal\nlisten: 127.0.0.1:0\n' >home/sallyport.yaml || exit 9
"$1" serve 2>server.log &
"$1" run --policy example --owner person:nobody -- sh -c '
	for file in mem environ maps; do head -c 1 /proc/$PPID/$file >/dev/null 2>&1 && echo "can read $file"; done
	ls /proc/$PPID/fd >/dev/null 2>&1 && echo "can list fd"
	head -c 1 /proc/$$/environ >/dev/null && echo "can read its own"
'
code=$?
kill %1
wait
exit $code
`

// The command of run has the same user as the sidecar in whose memory the agent's
// key is; it must not be able to read it there.
func TestRunHidesTheKeyFromItsCommand(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become a user without rights")
	}
	dir, err := os.MkdirTemp("", "sallyport-e2e-private-") //nolint:usetesting // t.TempDir is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	binary := filepath.Join(dir, "sallyport")
	data, err := os.ReadFile(shared.home.Binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, data, 0o755)) //nolint:gosec // a program that another user runs

	cmd := exec.CommandContext(t.Context(), "bash", "-c", privateScript, "bash", binary)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, "can read its own\n", string(out))
}
