package config_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// give gives everything below dir to a group, as a volume's fsGroup does.
func give(t *testing.T, dir string) (gid int) {
	t.Helper()
	gid = os.Getegid()
	if os.Geteuid() == 0 {
		gid = 12345
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		require.NoError(t, os.Lchown(path, -1, gid))
		if entry.IsDir() {
			return os.Chmod(path, 0o770|os.ModeSetgid)
		}
		return os.Chmod(path, 0o660)
	}))
	return gid
}

func TestAVolumesGroupIsTrustedWhereTheFileSaysSo(t *testing.T) {
	t.Parallel()
	l := files(t, nil)
	gid := give(t, l.Dir)
	_, err := config.Load(l, options())
	require.ErrorContains(t, err, "other users may write it (mode 0660)")
	require.ErrorContains(t, err, "trust_group")

	trusting := "trust_domain: agents.example.com\ntrust_group: "
	write(t, l, "sallyport.yaml", trusting+strconv.Itoa(gid)+"\n")
	set, err := config.Load(l, options())
	require.NoError(t, err)
	assert.Empty(t, set.Warnings)
	_, err = set.Credentials.Lookup("key").Check(t.Context(), nil)
	require.NoError(t, err)

	write(t, l, "sallyport.yaml", trusting+strconv.Itoa(gid+1)+"\n")
	_, err = config.Load(l, options())
	require.ErrorContains(t, err, fmt.Sprintf("write trust_group: %d in sallyport.yaml", gid))

	if own, err := user.LookupGroupId(strconv.Itoa(os.Getegid())); err == nil {
		write(t, l, "sallyport.yaml", trusting+own.Name+"\n")
		_, err = config.LoadConfig(l)
		require.NoError(t, err)
	}
	for wrong, want := range map[string]string{
		"no-such-group": `sallyport.yaml:2: trust_group: "no-such-group" is no group of this machine; write its number`,
		"-1":            `"-1" is no group of this machine`,
		"99999999999":   `"99999999999" is no group`,
		"[1]":           "must be the number or the name of a group",
		"":              "must be the number or the name of a group",
	} {
		write(t, l, "sallyport.yaml", trusting+wrong+"\n")
		_, err := config.LoadConfig(l)
		require.ErrorContains(t, err, want)
	}
}

// The state folder holds keys that no group may have, whatever a volume does each time that
// it is mounted.
func TestTheStateFolderIsTakenBackFromATrustedGroup(t *testing.T) {
	t.Parallel()
	l := files(t, nil)
	require.NoError(t, os.MkdirAll(l.CAs(), 0o700))
	_, key := l.AgentCA()
	require.NoError(t, os.WriteFile(key, []byte("key"), 0o600))
	gid := give(t, l.Dir)
	require.ErrorContains(t, l.CheckState(), "other users may enter it (mode 0770); chmod 700 ")

	write(t, l, "sallyport.yaml", fmt.Sprintf("trust_domain: agents.example.com\ntrust_group: %d\n", gid))
	require.NoError(t, l.CheckState())
	for path, mode := range map[string]os.FileMode{l.State(): 0o700, l.CAs(): 0o700, key: 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), path)
	}
	require.NoError(t, os.Chmod(l.CAs(), 0o777))
	require.ErrorContains(t, l.CheckState(), "other users may enter it (mode 0777)", "more than the group had it")
}
