package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ordinary is a user without rights.
const ordinary = 1000

// world is a system as run may meet it.
type world struct {
	name      string
	uid       int
	forbidden bool // no namespaces
}

// The command of a run has its user's name, and is kept all the same from the
// keys and secrets in HOME, where the system allows namespaces, and from
// administering its server, everywhere. What people do in a run works in each
// of these worlds.
func TestRunKeepsHomeFromItsCommand(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user and to make a system without namespaces")
	}
	works := []string{
		"code 7", "kept in work", "x", "port 22", "0", "job 143", "terminal", "in state", "uid 0", "shown if asked for",
	}
	shown := []string{
		"can read a key from a folder that was removed",
		"can read a key by its link", "can read a key by its real path", "can read a key by another mount", "can read a secret file",
		"can read a key by an open folder", "can read a secret that is open",
		"can change a policy", "can make a policy", "can put another folder in place of the policies", "can change what the server runs",
	}
	ways := []string{"can type into the terminal", "can put another folder in place of the home"}
	for _, one := range []struct {
		world
		can  []string
		said string
		more []string
	}{
		{
			world: world{"user", ordinary, false}, more: []string{"hidden or not at all"},
			said: "kept from it: administration, HERE/link with its keys and secrets, the memory of your other processes; not kept: where HERE/link leads the server, where HERE/link-to-secret leads the server, your other files",
		},
		{
			world: world{"user without namespaces", ordinary, true}, can: shown, more: ways,
			said: "kept from it: administration; not kept: HERE/link with its keys and secrets (forbidden), your other files",
		},
		{
			world: world{"root", 0, false}, can: append([]string{"can put another folder in place of the policies"}, rootCan()...),
			more: append([]string{"hidden by a link", "hidden or not at all"}, ways...),
			said: "kept from it: administration, HERE/link with its keys and secrets; not kept: what root can undo",
		},
		{
			world: world{"root without namespaces", 0, true}, can: append(append([]string{}, shown...), rootReads()...), more: ways,
			said: "kept from it: administration; not kept: HERE/link with its keys and secrets (forbidden), your other files",
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			lines := one.run(t)
			said, rest := "", []string{}
			for _, line := range lines {
				if strings.HasPrefix(line, "no sandbox") {
					said = line
				} else {
					rest = append(rest, line)
				}
			}
			assert.Contains(t, said, one.said)
			refusals := rest[len(rest)-1]
			rest = rest[:len(rest)-1]
			assert.Contains(t, []string{"0", "1", "2", "3"}, refusals)
			if one.forbidden {
				assert.NotEqual(t, "0", refusals, "a refused call is on record")
			}
			want := append(append([]string{}, one.can...), "exit 0")
			want = append(append(want, works...), one.more...)
			assert.Equal(t, want, rest)
		})
	}
}

// rootReads is what nothing keeps from root.
func rootReads() []string {
	var can []string
	for range 2 { // the server, and run
		can = append(can,
			"can read a key by the root of another process", "can read the environment of another process",
			"can list the files of another process")
	}
	return can
}

func rootCan() []string { return append(rootReads(), "can take the cover off") }

func (w world) run(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sallyport-run-test-") //nolint:usetesting // t.TempDir is closed to other users
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, folder := range []string{"mounted", "real-home", ""} {
		folder = filepath.Join(dir, folder)
		require.NoError(t, os.MkdirAll(folder, 0o700))
		require.NoError(t, os.Chown(folder, w.uid, w.uid))
	}
	binary := filepath.Join(dir, "sallyport")
	data, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, data, 0o755))
	script, err := os.ReadFile("testdata/veil.sh")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "veil.sh"), script, 0o755))

	// A program that becomes root, an ssh that includes a file of root's, and, in a world without namespaces, a
	// user namespace in which no further one may be made.
	setUp := `cp /usr/bin/id . && chmod 4755 id && mount -t tmpfs none /etc/ssh/ssh_config.d && echo 'Host *' >/etc/ssh/ssh_config.d/all.conf && mount --bind real-home mounted
		if test "$2" = true; then echo 0 >/proc/sys/user/max_user_namespaces && echo 0 >/proc/sys/user/max_mnt_namespaces; fi
		exec setpriv --reuid="$1" --regid="$1" --clear-groups bash veil.sh "$3"`
	cmd := exec.CommandContext(t.Context(), "bash", "-c", setUp, "bash", strconv.Itoa(w.uid), strconv.FormatBool(w.forbidden), binary)
	// With -cover the binary, which is this test's, says on its terminal that nothing names the folder.
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "TERM=dumb", "GOCOVERDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if w.forbidden {
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
		}
	}
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
