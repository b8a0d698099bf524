package browser_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/certs"
	"sallyport/sandbox/browser"
)

func authority(t *testing.T) []byte {
	t.Helper()
	ca, err := certs.CreateAuthority(certs.Template{CommonName: "interception"}, time.Now())
	require.NoError(t, err)
	return ca.CertificatePEM()
}

func TestTheDatabaseHoldsTheAuthority(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("certutil")
	if err != nil {
		t.Skip("certutil is not installed")
	}
	dir := filepath.Join(t.TempDir(), "data of browsers")
	first, second := authority(t), authority(t)
	require.NoError(t, browser.Trust(t.Context(), dir, first))
	listed := func() string {
		out, err := exec.CommandContext(t.Context(), tool, "-d", "sql:"+filepath.Join(dir, "pki", "nssdb"), "-L", "-n", "sallyport", "-a").Output()
		require.NoError(t, err)
		return string(out)
	}
	held := listed()
	made, err := os.Stat(filepath.Join(dir, "pki", "nssdb", "cert9.db"))
	require.NoError(t, err)
	require.NoError(t, browser.Trust(t.Context(), dir, first))
	again, err := os.Stat(filepath.Join(dir, "pki", "nssdb", "cert9.db"))
	require.NoError(t, err)
	assert.True(t, os.SameFile(made, again), "what is there stays")

	require.NoError(t, browser.Trust(t.Context(), dir, second))
	assert.NotEqual(t, held, listed(), "another authority, another database")
	require.Error(t, browser.Trust(t.Context(), dir, []byte("no certificate")))
	assert.NotEqual(t, held, listed(), "what cannot be made leaves what was there")
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing is left beside it")
}

func TestWithoutTheToolItSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	require.ErrorIs(t, browser.Trust(t.Context(), filepath.Join(t.TempDir(), "b"), authority(t)), browser.ErrNoTool)
}

func TestAHomesOwnDatabaseComesFirst(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	assert.Empty(t, browser.Overrules(home))
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".pki", "nssdb"), 0o700))
	assert.Equal(t, filepath.Join(home, ".pki", "nssdb"), browser.Overrules(home))
}
