package veil_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/sandbox/veil"
)

func TestResolveFollowsLinksAndKeepsWhatIsOutermost(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.MkdirAll(at("home/state"), 0o700))
	require.NoError(t, os.Mkdir(at("homely"), 0o700))
	require.NoError(t, os.WriteFile(at("secret"), nil, 0o600))
	require.NoError(t, os.Symlink(at("secret"), at("home/key")))
	require.NoError(t, os.Symlink("home", at("link")))

	got := veil.Resolve([]string{at("link/state"), at("link"), at("home"), at("home/key"), at("homely"), at("missing")})
	assert.ElementsMatch(t, []string{at("home"), at("secret"), at("homely")}, got)
}

func TestWithinIsByWholeNames(t *testing.T) {
	t.Parallel()
	assert.True(t, veil.Within("/a/b", []string{"/a"}))
	assert.True(t, veil.Within("/a", []string{"/a"}))
	assert.True(t, veil.Within("/a", []string{"/"}))
	assert.False(t, veil.Within("/ab", []string{"/a"}))
	assert.False(t, veil.Within("/", []string{"/a"}))
}

func TestOnlyAHiddenFolderSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	assert.False(t, veil.Covers(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "HIDDEN"), []byte("something else\n"), 0o600))
	assert.False(t, veil.Covers(dir))
}
