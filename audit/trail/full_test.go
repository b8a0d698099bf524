//go:build linux

package trail_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestFullDatabase fills the database itself, which needs no privilege.
func TestFullDatabase(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := begun(t, writer)
	require.NoError(t, trail.LimitPages(writer, 1))
	fill(t, writer)
	refused(t, writer)
	writer.End(in.ID, outcome())
	require.NoError(t, trail.LimitPages(writer, 0))
	heals(t, writer, path, in)
}

// TestModes takes the right to write away, from a process that is not root.
func TestModes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755)) //nolint:gosec // others must get there
	helper(t, "modes", folder)()
	r := reader(t, filepath.Join(folder, "audit.db"))
	verified(t, r)
	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 4, "those that began, and no other")
}

// TestFullDisk fills a small file system.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mounting a file system needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	writer, path := open(t, func(c *trail.Config) { c.Path = filepath.Join(dir, "audit.db") })
	in := begun(t, writer)
	ballast := filepath.Join(dir, "ballast")
	require.ErrorIs(t, os.WriteFile(ballast, make([]byte, 4<<20), 0o600), unix.ENOSPC)
	fill(t, writer)
	refused(t, writer)
	writer.End(in.ID, outcome())
	refused(t, writer)
	require.NoError(t, os.Remove(ballast))
	heals(t, writer, path, in)
}

// fill begins exchanges until that fails.
func fill(t *testing.T, writer *trail.Writer) {
	t.Helper()
	for range 100000 {
		in := intent()
		if writer.Begin(context.Background(), in) != nil {
			return
		}
		writer.End(in.ID, outcome())
	}
	t.Fatal("it is never full")
}

func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, "size=1m"); err != nil {
		t.Skipf("mounting a file system needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	_, err := trail.Open(t.Context(), trail.Config{Path: filepath.Join(dir, "audit.db")})
	require.Error(t, err)
	require.ErrorIs(t, err, unix.EROFS, "%v", err)
}

// TestReadOnlyCopy reads a trail, and refuses to write it, where nothing can be
// written.
func TestReadOnlyCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a file system needs root: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	require.NoError(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	source := filled(t, 3)
	path := filepath.Join(dir, "audit.db")
	copyTrail(t, source, path)
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	_, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.Error(t, err)
	r := reader(t, path)
	_, err = r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
}
