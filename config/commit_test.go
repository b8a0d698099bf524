package config_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/config"
)

// TestCommitOfACheckout: a set is of a commit only if it was parsed from what that has.
func TestCommitOfACheckout(t *testing.T) {
	t.Parallel()
	l := config.Layout{Dir: t.TempDir()}
	require.NoError(t, os.Mkdir(l.Policies(), 0o700))
	run := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", l.Dir, "-c", "user.name=Dana Ito", "-c", "user.email=dana@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	set := &config.Set{}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(l.Dir, name), []byte(text), 0o600))
		set.Files = append(set.Files, config.File{Path: name, Text: text})
	}
	write("sallyport.yaml", "a: 1\n")
	write("policies/p.yaml", "policy: p\n")
	_, ok := set.Commit(t.Context(), l)
	assert.False(t, ok, "no checkout")
	run("init", "-q")
	_, ok = set.Commit(t.Context(), l)
	assert.False(t, ok, "no commit")
	run("add", ".")
	run("commit", "-q", "-m", "first")
	c, ok := set.Commit(t.Context(), l)
	require.True(t, ok)
	assert.Len(t, c.ID, 40)
	assert.Equal(t, "Dana Ito <dana@example.com>", c.Author)
	assert.Empty(t, c.Changed)

	require.NoError(t, os.WriteFile(l.Config(), []byte("a: 2\n"), 0o600))
	c, _ = set.Commit(t.Context(), l)
	assert.Empty(t, c.Changed, "what was parsed counts")
	set.Files[0].Text = "a: 2\n"
	c, _ = set.Commit(t.Context(), l)
	assert.Equal(t, []string{"sallyport.yaml"}, c.Changed)
	set.Files = set.Files[:1]
	c, _ = set.Commit(t.Context(), l)
	assert.ElementsMatch(t, []string{"sallyport.yaml", "policies/p.yaml"}, c.Changed, "a policy that is gone is a change")
	set.Files = []config.File{{Path: "elsewhere.yaml"}}
	_, ok = set.Commit(t.Context(), l)
	assert.False(t, ok, "a home inside of somebody's repository is no checkout")
}

// A repository may name its objects by SHA-256, and HOME may be a folder inside of one.
func TestCommitOfAFolderInARepositoryOfSHA256(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	l := config.Layout{Dir: filepath.Join(top, "gateway", "home")}
	require.NoError(t, os.MkdirAll(l.Policies(), 0o700))
	require.NoError(t, os.WriteFile(l.Config(), []byte("a: 1\n"), 0o600))
	require.NoError(t, os.WriteFile(l.Policy("p"), []byte("policy: p\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(top, "README"), []byte("x"), 0o600))
	for _, args := range [][]string{{"init", "-q", "--object-format=sha256"}, {"add", "."}, {"commit", "-q", "-m", "first"}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", top, "-c", "user.name=Dana Ito", "-c", "user.email=dana@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	set := &config.Set{Files: []config.File{{Path: "sallyport.yaml", Text: "a: 1\n"}, {Path: "policies/p.yaml", Text: "policy: p\n"}, {Path: "/etc/root.pem", Text: "no part of HOME"}}}
	c, ok := set.Commit(t.Context(), l)
	require.True(t, ok)
	assert.Len(t, c.ID, 64)
	assert.Empty(t, c.Changed)
	set.Files[1].Text = "policy: p\nrules: []\n"
	c, _ = set.Commit(t.Context(), l)
	assert.Equal(t, []string{"policies/p.yaml"}, c.Changed)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, ok = set.Commit(cancelled, l)
	assert.False(t, ok, "git is asked for a while only")
}
