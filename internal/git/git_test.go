package git_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/internal/git"
)

// TestARepositoryRunsNothing: a repository that lacks an object may say where to
// get it, and by which program; whoever only reads it does not run that.
func TestARepositoryRunsNothing(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"ssh":           {"remote.origin.url", "ssh://a/b", "core.sshCommand", "PROGRAM"},
		"upload-pack":   {"remote.origin.url", "/", "remote.origin.uploadpack", "PROGRAM"},
		"a helper":      {"remote.origin.url", "ext::PROGRAM", "protocol.ext.allow", "always", "protocol.allow", "always"},
		"git's own":     {"remote.origin.url", "git://a/b", "core.gitProxy", "PROGRAM"},
		"fsmonitor":     {"remote.origin.url", "ssh://a/b", "core.fsmonitor", "PROGRAM"},
		"other objects": {"remote.origin.url", "ssh://a/b", "core.alternateRefsCommand", "PROGRAM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
			program := filepath.Join(t.TempDir(), "program")
			require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n: >"+ran+"\n"), 0o700))
			run := func(args ...string) string { return plain(t, dir, args...) }
			run("init", "-q")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
			run("add", "file")
			run("commit", "-q", "-m", "x")
			run("config", "core.repositoryformatversion", "1")
			run("config", "extensions.partialClone", "origin")
			run("config", "remote.origin.promisor", "true")
			for i := 0; i < len(settings); i += 2 {
				run("config", settings[i], strings.ReplaceAll(settings[i+1], "PROGRAM", program))
			}
			tree := run("rev-parse", "HEAD^{tree}")
			require.NoError(t, os.Remove(filepath.Join(dir, ".git", "objects", tree[:2], tree[2:])))

			_, err := git.Command(t.Context(), dir, nil, "ls-tree", "-r", "-z", "HEAD").Output()
			assert.Error(t, err, "there is no tree")
			assert.NoFileExists(t, ran)
		})
	}
}

// plain is git as anybody calls it.
func plain(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}
