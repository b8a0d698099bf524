package environment_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/environment"
)

// What configures git already stays, and what is there is not added again.
func TestGitsConfigurationIsAddedTo(t *testing.T) {
	t.Parallel()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	_, list := variables(t, config(t, "http://127.0.0.1:3128"))
	start := []string{"PATH=" + os.Getenv("PATH"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=user.name", "GIT_CONFIG_VALUE_0=An Agent", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"}
	once := environment.Apply(start, list)
	twice := environment.Apply(once, list)
	assert.ElementsMatch(t, once, twice)
	for _, environ := range [][]string{once, environment.Apply(start[:1], list)} {
		cmd := exec.CommandContext(t.Context(), git, "config", "--list")
		cmd.Env, cmd.Dir = append(environ, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1"), t.TempDir()
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, 3, strings.Count(string(out), "url.https://github.com/.insteadof="))
		assert.Equal(t, strings.Contains(strings.Join(environ, "\n"), "An Agent"), strings.Contains(string(out), "user.name=An Agent"))
	}
	for _, address := range []string{"git@github.com:acme/web.git", "ssh://git@github.com/acme/web.git", "ssh://git@ssh.github.com:443/acme/web.git"} {
		cmd := exec.CommandContext(t.Context(), git, "ls-remote", "--get-url", address)
		cmd.Env, cmd.Dir = once, t.TempDir()
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, "https://github.com/acme/web.git\n", string(out))
	}
}

func TestANumberThatIsNoneComposesNothing(t *testing.T) {
	t.Parallel()
	_, list := variables(t, config(t, "http://127.0.0.1:3128"))
	for _, count := range []string{"", "0", "-1", "many", "99999999999"} {
		got := environment.Compose(list, func(string) string { return count })
		assert.Equal(t, list, got, count)
	}
}
