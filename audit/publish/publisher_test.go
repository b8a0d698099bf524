package publish_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/publish"
)

// trail grows by itself: one event a second.
type trail struct {
	start  time.Time
	mu     sync.Mutex
	held   error
	events []string
}

func (t *trail) size() uint64 { return uint64(time.Since(t.start)/time.Second) + 1 }

func (t *trail) Stats() audit.Stats { return audit.Stats{Events: t.size()} }

func (t *trail) Hold(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = why
}

func (t *trail) Record(_ context.Context, e audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, e.Type)
	return nil
}

func (t *trail) state() (events []string, held error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.events...), t.held
}

type place struct {
	mu    sync.Mutex
	err   error
	notes []time.Time
}

func (*place) Name() string { return "place" }

func (p *place) Publish(context.Context, []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.notes = append(p.notes, time.Now())
	}
	return p.err
}

func (p *place) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func TestPlaceThatCannotBeReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, pl := &trail{start: time.Now()}, &place{}
		p := publish.New(publish.Config{
			Places: []publish.Place{pl}, Trail: tr, Limit: time.Minute, Log: slog.New(slog.DiscardHandler),
			Newest: func(context.Context) (audit.SignedCheckpoint, error) {
				return audit.SignedCheckpoint{Size: tr.size(), Note: "note"}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.Run(ctx); close(done) }()
		advance := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // the bubble's clock

		advance(95 * time.Second)
		require.NoError(t, p.Err())
		assert.Len(t, pl.notes, 10, "at once and then every ten seconds")

		pl.fail(errors.New("unreachable"))
		advance(30 * time.Second)
		require.ErrorContains(t, p.Err(), "place: unreachable")
		_, held := tr.state()
		require.NoError(t, held, "a warning at first")
		advance(60 * time.Second)
		events, held := tr.state()
		require.ErrorContains(t, held, "max_unpublished")
		assert.Equal(t, []string{"trail.held"}, events)
		assert.Greater(t, p.Behind(), time.Minute)

		pl.fail(nil)
		advance(11 * time.Second)
		events, held = tr.state()
		require.NoError(t, held)
		require.NoError(t, p.Err())
		assert.Equal(t, []string{"trail.held", "trail.released"}, events)
		before := len(pl.notes)
		time.Sleep(3 * time.Second)
		cancel()
		<-done
		assert.Len(t, pl.notes, before+1, "once more at the end")
	})
}

// TestUnsignedIsUnpublished: a trail whose checkpoints are not signed any more
// is behind too.
func TestUnsignedIsUnpublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr, pl := &trail{start: time.Now()}, &place{}
		p := publish.New(publish.Config{
			Places: []publish.Place{pl}, Trail: tr, Limit: time.Minute, Log: slog.New(slog.DiscardHandler),
			Newest: func(context.Context) (audit.SignedCheckpoint, error) {
				return audit.SignedCheckpoint{Size: 1, Note: "note"}, nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		_, held := tr.state()
		require.ErrorContains(t, held, "none was signed")
		cancel()
		synctest.Wait()
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	f := publish.File{Path: filepath.Join(t.TempDir(), "checkpoint")}
	for _, note := range []string{"one\n", "two\n"} {
		require.NoError(t, f.Publish(t.Context(), []byte(note)))
		data, err := os.ReadFile(f.Path)
		require.NoError(t, err)
		assert.Equal(t, note, string(data))
	}
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
	require.Error(t, publish.File{Path: filepath.Join(t.TempDir(), "no", "checkpoint")}.Publish(t.Context(), nil))
}

func TestCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := publish.Command{Args: []string{"sh", "-c", `cat >> log; env | grep -c SECRET >> log; true`}, Dir: dir}
	require.NoError(t, c.Publish(t.Context(), []byte("one\n")))
	require.NoError(t, c.Publish(t.Context(), []byte("two\n")))
	data, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	assert.Equal(t, "one\n0\ntwo\n0\n", string(data))
	c.Args = []string{"sh", "-c", "echo s3cret >&2; exit 3"}
	err = c.Publish(t.Context(), nil)
	require.ErrorContains(t, err, "exit status 3")
	assert.NotContains(t, err.Error(), "s3cret")
}

func TestURL(t *testing.T) {
	t.Parallel()
	status := http.StatusCreated
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 3)
		_, _ = r.Body.Read(body)
		got = r.Method + " " + string(body)
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	u := publish.URL{Address: srv.URL, Client: func() (*http.Client, func()) { return srv.Client(), func() {} }}
	require.NoError(t, u.Publish(t.Context(), []byte("one")))
	assert.Equal(t, "POST one", got)
	status = http.StatusForbidden
	require.ErrorContains(t, u.Publish(t.Context(), nil), "status 403")
}

// TestS3 is about what is sent; that servers take it, test/publish shows.
func TestS3(t *testing.T) {
	t.Parallel()
	status, answer := http.StatusOK, ""
	var got *http.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(srv.Close)
	var unsigned error
	s := publish.S3{
		Address: srv.URL + "/trail/", Region: "eu-west-1", Prefix: "a/", Lock: "GOVERNANCE", Retain: 24 * time.Hour,
		Client: func() (*http.Client, func()) { return srv.Client(), func() {} },
		Sign: func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "signed")
			return unsigned
		},
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	note := []byte("agents.test\n42\nroot\n\nsignature\n")
	require.NoError(t, s.Publish(t.Context(), note))
	assert.Equal(t, "PUT /trail/a/00000000000000000042-", got.Method+" "+got.URL.Path[:len(got.URL.Path)-16])
	assert.Equal(t, "*", got.Header.Get("If-None-Match"))
	assert.Equal(t, "GOVERNANCE", got.Header.Get("X-Amz-Object-Lock-Mode"))
	assert.Equal(t, "2026-01-03T03:04:05Z", got.Header.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	assert.NotEmpty(t, got.Header.Get("X-Amz-Checksum-Sha256"))
	assert.Equal(t, "signed", got.Header.Get("Authorization"))
	first := got.URL.Path
	require.NoError(t, s.Publish(t.Context(), append(note, 'x')))
	assert.NotEqual(t, first, got.URL.Path, "another head has another key")

	status = http.StatusPreconditionFailed
	require.NoError(t, s.Publish(t.Context(), note), "it is there already")
	status, answer = http.StatusForbidden, "<Error><Code>AccessDenied</Code><Message>token s3cret</Message></Error>"
	require.EqualError(t, s.Publish(t.Context(), note), "it answered with status 403 AccessDenied")
	unsigned, got = errors.New("no keys"), nil
	require.ErrorIs(t, s.Publish(t.Context(), note), unsigned)
	assert.Nil(t, got, "nothing leaves unsigned")
}
