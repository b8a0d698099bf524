package crash_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/test/rig"
	"sallyport/test/slowfs"
)

// onSlowDisk is a world whose state lies on a disk that obeys the test.
func onSlowDisk(t *testing.T) (*world, *slowfs.Disk) {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	state := filepath.Join(home, "state")
	require.NoError(t, os.MkdirAll(state, 0o700))
	disk, unmount, err := slowfs.Mount(t.TempDir(), state, 0)
	if err != nil {
		t.Skipf("mounting a file system needs root and /dev/fuse: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, unmount()) })
	require.NoError(t, os.Chmod(state, 0o700))
	return newWorld(t, home), disk
}

// broken is what every loss of the trail looks like from outside: an exchange
// that is open when breaks is called can end, and its row says so once the
// trail works again; meanwhile new requests are refused within two seconds,
// /readyz and the log say why, and nothing reaches the upstream.
func (w *world) broken(t *testing.T, srv *rig.Server, breaks, mends func(), why string) {
	t.Helper()
	client := w.client(t)
	w.upstream.gate = make(chan struct{})
	var open sync.WaitGroup
	open.Go(func() {
		status, text := call(t.Context(), client, "/held")
		assert.Equal(t, http.StatusOK, status, text)
	})
	w.upstream.reached(t, "/held")
	breaks()
	t.Cleanup(mends)
	started := time.Now()
	w.refused(t, client, "/first", why)
	assert.Less(t, time.Since(started), 3500*time.Millisecond, "two seconds, and what a busy machine adds")
	require.Eventually(t, func() bool { return w.ready(t) != http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	assert.Contains(t, ready(t, w.settings.Health), why)
	assert.Contains(t, srv.Log(), "new requests are refused")
	assert.Contains(t, srv.Log(), why)
	for _, path := range []string{"/second", "/third"} {
		w.refused(t, client, path, why)
	}
	close(w.upstream.gate)
	open.Wait()
	seen, _ := w.upstream.seen()
	for _, path := range []string{"/first", "/second", "/third"} {
		assert.NotContains(t, seen, path)
	}
	mends()
	w.recovers(t, client)
	require.Eventually(t, func() bool { return w.ready(t) == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	w.check(t)
	rows, err := w.home.Trail(t.Context())
	require.NoError(t, err)
	for _, row := range rows {
		if row.Path == "/held" {
			assert.Equal(t, "completed", *row.Outcome, "it was kept until it could be written")
		}
	}
}

func (w *world) refused(t *testing.T, client *http.Client, path, why string) {
	t.Helper()
	status, text := call(t.Context(), client, path)
	assert.Equal(t, http.StatusServiceUnavailable, status, text)
	assert.Contains(t, text, "urn:sallyport:refusal:trail")
	assert.NotContains(t, text, why, "the cause is no agent's business")
}

// ready is the status of /readyz.
func (w *world) ready(t *testing.T) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.settings.Health+"/readyz", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// TestHungDisk: the disk does not answer, and no error says so.
func TestHungDisk(t *testing.T) {
	t.Parallel()
	w, disk := onSlowDisk(t)
	srv := w.serve(t)
	w.broken(t, srv, func() { disk.Hang(true) }, func() { disk.Hang(false) }, "hung")
	require.NoError(t, srv.Stop())
}

// TestFailingDisk: every write fails, as when the kernel has made a broken file
// system read-only.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err syscall.Errno
		why string
	}{
		"read-only": {syscall.EROFS, "read-only file system"},
		"broken":    {syscall.EIO, "input/output error"},
		"full":      {syscall.ENOSPC, "no space left"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, disk := onSlowDisk(t)
			srv := w.serve(t)
			w.broken(t, srv, func() { disk.Fail(c.err) }, func() { disk.Fail(0) }, c.why)
			require.NoError(t, srv.Stop())
		})
	}
}

// TestLostDatabase: SQLite goes on writing into files that nobody can find.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		breaks func(t *testing.T, file string)
		why    string
	}{
		"renamed": {func(*testing.T, string) {}, "gone"},
		"replaced": {func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file, []byte("something else"), 0o600))
		}, "replaced"},
		"replaced by a link": {func(t *testing.T, file string) {
			require.NoError(t, os.Symlink("/dev/null", file))
		}, "replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, filepath.Join(t.TempDir(), "home"))
			srv := w.serve(t)
			file := filepath.Join(w.home.Dir, "state", "audit.db")
			away := filepath.Join(t.TempDir(), "audit.db")
			var once sync.Once
			w.broken(t, srv, func() {
				require.NoError(t, os.Rename(file, away))
				c.breaks(t, file)
			}, func() { once.Do(func() { assert.NoError(t, os.Rename(away, file)) }) }, c.why)
			require.NoError(t, srv.Stop())
			assert.Equal(t, 1, strings.Count(srv.Log(), "new requests are refused"), "said once")
		})
	}
}

// TestLossIsNoticed: nobody has to ask for the trail's loss to be known.
func TestLossIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, filepath.Join(t.TempDir(), "home"))
	srv := w.serve(t)
	file := filepath.Join(w.home.Dir, "state", "audit.db")
	require.NoError(t, os.Rename(file, file+".away"))
	require.Eventually(t, func() bool { return w.ready(t) != http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	assert.Contains(t, srv.Log(), "gone")
	require.NoError(t, os.Rename(file+".away", file))
	require.Eventually(t, func() bool { return w.ready(t) == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, srv.Stop())
}
