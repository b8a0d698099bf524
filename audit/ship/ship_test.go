package ship_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/ship"
	"sallyport/audit/trail"
)

// TestMain is also the process that is killed: see TestKilledShipperLosesNothing.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "ship" {
		if err := shipOnce(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func shipOnce(path, to string) error {
	r, err := trail.OpenReader(path)
	if err != nil {
		return err
	}
	d := ship.Lines{Post: ship.Post{Address: to, Client: http.DefaultClient}, Encode: encode}
	cursor, err := ship.OpenCursor(path+".cursor", d.Name(), 0)
	if err != nil {
		return err
	}
	_, err = ship.Run(context.Background(), config(r, d, cursor))
	return err
}

func encode(b []byte, r audit.Record) ([]byte, error) { return r.AppendJSON(b), nil }

func config(r *trail.Reader, d ship.Destination, c *ship.Cursor) ship.Config {
	return ship.Config{
		Trail: r, Which: audit.Everything, Destination: d, Cursor: c, Once: true, InPlace: func() error { return nil }, Log: slog.New(slog.DiscardHandler),
	}
}

// filled makes a trail of n exchanges that have ended and one that is open.
func filled(t *testing.T, n int) (*trail.Writer, string, map[uuid.UUID]bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.db")
	writer, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close(context.Background()) })
	ids := make(map[uuid.UUID]bool)
	require.NoError(t, writer.Begin(t.Context(), &audit.Intent{ID: audit.NewID(), Path: "/open"}))
	for i := range n {
		in := &audit.Intent{ID: audit.NewID(), Method: "GET", Scheme: "https", Host: "a.example", Port: 443, Path: fmt.Sprintf("/%d", i), Who: audit.Who{AgentName: "\xff\n"}}
		ids[in.ID] = true
		require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeCompleted, Status: 200}))
	}
	return writer, path, ids
}

func reader(t *testing.T, path string) *trail.Reader {
	t.Helper()
	r, err := trail.OpenReader(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// readIDs returns the ids of exchanges in lines of JSON.
func readIDs(t *testing.T, r io.Reader) (ids []uuid.UUID) {
	t.Helper()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var x struct{ ID uuid.UUID }
		if assert.NoError(t, json.Unmarshal(lines.Bytes(), &x)) {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// TestKilledShipperLosesNothing kills the shipping process whenever a batch has
// come, before it is answered or after, and starts it again.
func TestKilledShipperLosesNothing(t *testing.T) {
	t.Parallel()
	_, path, ids := filled(t, 3000)
	var mu sync.Mutex
	var child *exec.Cmd
	seen := make(map[uuid.UUID]int)
	batches := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range readIDs(t, r.Body) {
			seen[id]++
		}
		batches++
		if batches%4 == 1 {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		if batches%4 < 2 {
			_ = child.Process.Kill() // SIGKILL
		}
	}))
	defer server.Close()
	killed := 0
	for done := false; !done; {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "ship", path, server.URL) //nolint:gosec // this test's own binary
		mu.Lock()
		child = cmd
		require.NoError(t, cmd.Start())
		mu.Unlock()
		if done = cmd.Wait() == nil; !done {
			killed++
		}
		require.Less(t, killed, 50)
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Positive(t, killed)
	again := 0
	for id, n := range seen {
		assert.True(t, ids[id])
		again += n - 1
	}
	assert.Len(t, seen, len(ids), "every exchange has come")
	assert.Positive(t, again, "some have come again")
}

// TestFailedDeliveriesAreTriedAgain fails deliveries in several ways; the cursor
// stays until one succeeds. Pauses pass at once.
func TestFailedDeliveriesAreTriedAgain(t *testing.T) {
	t.Parallel()
	_, path, _ := filled(t, 10)
	r := reader(t, path)
	file := filepath.Join(t.TempDir(), "cursor")
	synctest.Test(t, func(t *testing.T) {
		cursor, err := ship.OpenCursor(file, "fake", 0)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		d := &failing{left: 4, cursor: cursor, done: cancel}
		var log bytes.Buffer
		c := config(r, d, cursor)
		c.Once, c.Log = false, slog.New(slog.NewTextHandler(&log, nil))
		start := time.Now()
		n, err := ship.Run(ctx, c)
		require.NoError(t, err)
		assert.EqualValues(t, 10, n)
		assert.Equal(t, []uint64{0, 0, 0, 0, 0}, d.cursors)
		assert.Greater(t, time.Since(start), 7*time.Second, "pauses grow: at least 0.5, 1, 2 and 4 s")
		assert.Contains(t, log.String(), "it is tried again")
		assert.Positive(t, cursor.After())
	})
	again, err := ship.OpenCursor(file, "fake", 0)
	require.NoError(t, err)
	assert.Positive(t, again.After(), "it is stored")
	_, err = ship.OpenCursor(file, "elsewhere", 0)
	require.ErrorContains(t, err, "is of fake")
}

type failing struct {
	left    int
	cursor  *ship.Cursor
	cursors []uint64
	done    func()
}

func (f *failing) Name() string { return "fake" }

func (f *failing) Send(context.Context, []audit.Record) error {
	f.cursors = append(f.cursors, f.cursor.After())
	if f.left--; f.left >= 0 {
		return io.ErrUnexpectedEOF
	}
	f.done()
	return nil
}

func TestShipFollows(t *testing.T) {
	t.Parallel()
	writer, path, _ := filled(t, 3)
	got := make(chan uuid.UUID, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, id := range readIDs(t, r.Body) {
			got <- id
		}
	}))
	defer server.Close()
	d := ship.Lines{Post: ship.Post{Address: server.URL, Client: server.Client()}, Encode: encode}
	cursor, err := ship.OpenCursor(filepath.Join(t.TempDir(), "cursor"), d.Name(), 0)
	require.NoError(t, err)
	c := config(reader(t, path), d, cursor)
	c.Once = false
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := ship.Run(ctx, c); done <- err }()
	for range 3 {
		<-got
	}
	in := &audit.Intent{ID: audit.NewID()}
	require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused}))
	assert.Equal(t, in.ID, <-got)
	cancel()
	require.NoError(t, <-done)
}

// TestAnswersAreUnderstood gives each answer that a receiver may give.
func TestAnswersAreUnderstood(t *testing.T) {
	t.Parallel()
	_, path, ids := filled(t, 20)
	r := reader(t, path)
	var largest atomic.Int64
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, n int)
		want   string
	}{
		"taken":     {func(http.ResponseWriter, int) {}, ""},
		"accepted":  {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusAccepted) }, ""},
		"redirect":  {func(w http.ResponseWriter, _ int) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) }, "redirects"},
		"forbidden": {func(w http.ResponseWriter, _ int) { http.Error(w, "Bearer secret", http.StatusForbidden) }, "status 403: see --authorization"},
		"broken":    {func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadGateway) }, "status 502"},
		"too large": {func(w http.ResponseWriter, n int) {
			if n > 3 {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			largest.Store(max(largest.Load(), int64(n)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "Bearer secret", r.Header.Get("Authorization"))
				c.answer(w, len(readIDs(t, r.Body)))
			}))
			defer server.Close()
			client := server.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			d := ship.Lines{Encode: encode, Post: ship.Post{
				Address: server.URL, Client: client, Authorization: func() (string, error) { return "Bearer secret", nil },
			}}
			cursor, err := ship.OpenCursor(filepath.Join(t.TempDir(), "cursor"), d.Name(), 0)
			require.NoError(t, err)
			n, err := ship.Run(t.Context(), config(r, d, cursor))
			if c.want == "" {
				require.NoError(t, err)
				assert.EqualValues(t, len(ids), n)
				return
			}
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "secret")
			assert.Zero(t, cursor.After())
		})
	}
}

func TestAnotherTrailIsRefused(t *testing.T) {
	t.Parallel()
	_, path, _ := filled(t, 3)
	cursor, err := ship.OpenCursor(filepath.Join(t.TempDir(), "cursor"), "fake", 1000)
	require.NoError(t, err)
	_, err = ship.Run(t.Context(), config(reader(t, path), &failing{cursor: cursor}, cursor))
	require.ErrorContains(t, err, "it is another trail, or was rolled back")
}
