package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
	"sallyport/audit"
)

// answering is a server of HOME on a socket, and what speaks to it.
func answering(t *testing.T, change func(*fixture)) (*fixture, *admin.Client, string) {
	t.Helper()
	f := newFixture(t)
	if change != nil {
		change(f)
	}
	path := filepath.Join(t.TempDir(), "admin.sock")
	startServer(t, f, path, io.Discard)
	return f, dial(t, path), path
}

// Old payloads are removed by whoever asked, who is named to the trail, and only what is over.
func TestThePastIsPruned(t *testing.T) {
	t.Parallel()
	var asked []audit.PruneRequest
	f, c, _ := answering(t, func(f *fixture) {
		f.Prune = func(ctx context.Context, r audit.PruneRequest) (audit.Pruned, error) {
			_, bounded := ctx.Deadline()
			assert.True(t, bounded)
			asked = append(asked, r)
			return audit.Pruned{Exchanges: 7}, nil
		}
	})
	before := f.now.Add(-time.Hour).UTC().Truncate(time.Microsecond)
	got, err := c.PruneTrail(t.Context(), admin.PruneRequest{Before: before, UpTo: 42})
	require.NoError(t, err)
	assert.Equal(t, 7, int(got.Exchanges))
	require.Len(t, asked, 1)
	assert.True(t, before.Equal(asked[0].Before))
	assert.Equal(t, uint64(42), asked[0].UpTo)
	assert.Equal(t, os.Geteuid(), asked[0].By["uid"])
	assert.Equal(t, "socket", asked[0].By["via"])

	for _, wrong := range []time.Time{{}, f.now.Add(time.Minute)} {
		_, err := c.PruneTrail(t.Context(), admin.PruneRequest{Before: wrong})
		var failure *admin.Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, admin.Error{Kind: admin.Invalid, Msg: "only what is over can be pruned", Try: "give a time that has passed"}, *failure)
	}
	assert.Len(t, asked, 1, "what was refused removed nothing")

	_, without, _ := answering(t, nil)
	_, err = without.PruneTrail(t.Context(), admin.PruneRequest{Before: before})
	require.ErrorContains(t, err, "this trail cannot be pruned")
}

// A backup is on record before it is made, and again when it is whole.
func TestABackupIsOnRecordTwice(t *testing.T) {
	t.Parallel()
	f, c, _ := answering(t, nil)
	_, err := c.RecordBackup(t.Context(), admin.BackupRequest{Dir: "/mnt/b", Keys: "encrypted", Recipients: []string{"age1x"}})
	require.NoError(t, err)
	_, err = c.RecordBackup(t.Context(), admin.BackupRequest{Dir: "/mnt/b", Keys: "none", Manifest: "abcd", Events: 9})
	require.NoError(t, err)
	require.Equal(t, []string{audit.TypeBackupStarted, audit.TypeBackupMade}, f.trail.types())
	started, made := f.trail.events[0].Payload, f.trail.events[1].Payload
	assert.Equal(t, "/mnt/b", started["dir"])
	assert.Equal(t, []string{"age1x"}, started["recipients"])
	assert.NotContains(t, started, "manifest")
	assert.Equal(t, "abcd", made["manifest"])
	assert.Equal(t, uint64(9), made["events"])
	assert.NotContains(t, made, "recipients")
	assert.Equal(t, os.Geteuid(), made["uid"])

	f.trail.fail = audit.TypeBackupStarted
	_, err = c.RecordBackup(t.Context(), admin.BackupRequest{Dir: "/mnt/b", Keys: "plain"})
	require.ErrorContains(t, err, "record backup.started in the audit trail: disk full", "no backup is made that nobody knows of")
}

// An error keeps its kind, its sentence and its advice over the socket.
func TestErrorsTravelWhole(t *testing.T) {
	t.Parallel()
	for kind, status := range map[admin.Kind]int{
		admin.Failed: http.StatusInternalServerError, admin.Invalid: http.StatusBadRequest, admin.Unknown: http.StatusNotFound,
		admin.Conflict: http.StatusConflict, admin.Barred: http.StatusForbidden,
	} {
		want := admin.Error{Kind: kind, Msg: "it is \"so\"\nand <so>", Try: "try & see"}
		_, c, path := answering(t, func(f *fixture) {
			f.Reload = func(context.Context, admin.Principal) (admin.Configuration, error) {
				return admin.Configuration{}, fmt.Errorf("wrapped: %w", &want)
			}
		})
		_, err := c.Reload(t.Context())
		var failure *admin.Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, admin.Error{Kind: kind, Msg: "wrapped: " + want.Msg, Try: want.Try}, *failure)
		assert.Equal(t, want.Try, failure.Hint())
		assert.Equal(t, status, post(t, path, "/v1/reload", ""))
	}
	_, c, path := answering(t, func(f *fixture) {
		f.Reload = func(context.Context, admin.Principal) (admin.Configuration, error) {
			return admin.Configuration{}, errors.New("something broke")
		}
	})
	_, err := c.Reload(t.Context())
	var failure *admin.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, admin.Error{Kind: admin.Failed, Msg: "something broke"}, *failure)
	assert.Equal(t, http.StatusInternalServerError, post(t, path, "/v1/reload", ""))

	_, alone, _ := answering(t, nil)
	_, err = alone.Reload(t.Context())
	require.ErrorContains(t, err, "reload: no server is running")
}

// post asks the socket by hand.
func post(t *testing.T, socket, path, body string) int {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x"+path, strings.NewReader(body))
	require.NoError(t, err)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := (&http.Client{Transport: transport, CheckRedirect: stay}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

// A command is a method and a path; what is neither is not done by the way.
func TestOnlyCommandsAreDone(t *testing.T) {
	t.Parallel()
	f, _, path := answering(t, nil)
	create(t, f.session())
	body := `{"id":"a"}`
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{"/v1/agents/suspend", body, http.StatusOK},
		{"/v1/agents/suspend/", body, http.StatusNotFound},
		{"/v1/agents/resumed", body, http.StatusNotFound},
		{"/v1/agents//resume", body, http.StatusTemporaryRedirect},
		{"/v2/agents/resume", body, http.StatusNotFound},
		{"/v1/credentials", "", http.StatusNotFound},
		{"/v1/agents/resume", "", http.StatusBadRequest},
		{"/v1/agents/resume", `{"id":"a","reason":"x","force":true}`, http.StatusBadRequest},
		{"/v1/agents/resume", `["a"]`, http.StatusBadRequest},
		{"/v1/agents/resume", `{"id":"` + strings.Repeat("a", 2<<20) + `"}`, http.StatusBadRequest},
		{"/v1/agents/resume", `{"id":"b"}`, http.StatusNotFound},
	} {
		assert.Equal(t, c.want, post(t, path, c.path, c.body), "%s %.60s", c.path, c.body)
	}
	a, err := f.session().Agent(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, "suspended", a.Status)
}

// What the service does not know by its path is a page of the server's.
func TestPagesAreTheServersOwn(t *testing.T) {
	t.Parallel()
	_, c, path := answering(t, nil)
	page, err := c.Page(t.Context(), "/readyz")
	require.NoError(t, err)
	assert.Equal(t, "404 page not found\n", string(page), "whatever its status")
	c.Close()
	require.NoError(t, os.Remove(path))
	_, err = c.Page(t.Context(), "/readyz")
	require.ErrorIs(t, err, admin.ErrNoServer)
}

// What answers may be no server of ours, or one that is ending: what it says is not believed.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":      {"", "the running server does not answer"},
		"half":         {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[", "the running server does not answer"},
		"no HTTP":      {"hello\r\n\r\n", "the running server does not answer"},
		"no JSON":      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "read the server's answer"},
		"another kind": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "read the server's answer"},
		"no words":     {"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}", "the running server answers with status 503"},
		"HTML":         {"HTTP/1.1 502 Bad\r\nContent-Length: 6\r\n\r\n<html>", "the running server answers with status 502"},
		"elsewhere":    {"HTTP/1.1 307 Gone\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "the running server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", path)
			require.NoError(t, err)
			t.Cleanup(func() { _ = ln.Close() })
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_, _ = io.WriteString(conn, c.answer)
					_ = conn.Close()
				}
			}()
			_, err = dial(t, path).Agents(t.Context())
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "http://sallyport", "the name of the host is made up")
		})
	}
}
