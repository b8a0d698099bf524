package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/credentials"
	"sallyport/services/github/app"
)

// canary is the secret of every test that looks for leaks. None of its parts occurs
// by chance, so that each can be searched for in any text.
const canary = "cAnArY-7f3a9Q+x/Zw==0d"

// options are for a file whose secrets are in these variables, each with its value.
func options(t testing.TB, env ...string) credentials.Options {
	t.Helper()
	values := map[string]string{}
	for i := 0; i < len(env); i += 2 {
		values[env[i]] = env[i+1]
	}
	return credentials.Options{
		Home: t.TempDir(), Getenv: func(name string) string { return values[name] }, FingerprintKey: []byte("key"), Kinds: app.Kinds(),
	}
}

func parse(t testing.TB, text string, o credentials.Options) *credentials.Set {
	t.Helper()
	set, err := credentials.Parse("credentials.yaml", []byte(text), o)
	require.NoError(t, err)
	return set
}

// TestParseRefuses reads testdata/bad: the first lines of each file, as comments,
// are the whole error.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var want []string
		for line := range strings.Lines(string(data)) {
			if text, comment := strings.CutPrefix(line, "# "); comment {
				want = append(want, strings.TrimSpace(text))
			}
		}
		_, err = credentials.Parse("c.yaml", data, options(t))
		require.EqualError(t, err, strings.Join(want, "\n"), file)
	}
}
