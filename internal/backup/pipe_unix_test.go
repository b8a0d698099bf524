//go:build unix

package backup_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/internal/backup"
)

// A pipe that somebody put into a backup is not waited for.
func TestPipesAreNotRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"manifest.json", "manifest.sig", "trail.key.pub", "checkpoint", "home/state/audit.db"} {
		dir := made(t, nil)
		file := filepath.Join(dir, name)
		require.NoError(t, os.Remove(file))
		require.NoError(t, syscall.Mkfifo(file, 0o600))
		b, err := backup.Open(dir, "", verify)
		if err == nil {
			defer func() { require.NoError(t, b.Close()) }()
			err = b.CopyHome(t.TempDir())
		}
		require.ErrorContains(t, err, name+" is not a regular file")
	}
}
