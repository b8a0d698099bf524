package admin_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/admin"
)

// successor is a server that makes room, and answers what it is sent.
type successor struct {
	busy   error
	forced chan bool
}

func (s successor) MayTakeOver(r admin.TakeOverRequest) error {
	s.forced <- r.Force
	return s.busy
}

func (s successor) HandOver(conn *net.UnixConn) {
	_, _ = io.WriteString(conn, "all of it\n")
	_ = conn.Close()
}

func (s successor) Adopt(conn io.ReadWriter) error {
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, "kept "+line)
	return err
}

// making serves a HOME that makes room as s says; nil is a command that works without a server.
func making(t *testing.T, s admin.Succession) (f *fixture, socket string) {
	t.Helper()
	f = newFixture(t)
	f.Succession = s
	socket = filepath.Join(t.TempDir(), "admin.sock")
	startServer(t, f, socket, io.Discard)
	return f, socket
}

func TestAServerMakesRoom(t *testing.T) {
	t.Parallel()
	s := successor{forced: make(chan bool, 1)}
	_, socket := making(t, s)
	for _, force := range []bool{true, false} {
		conn, err := admin.TakeOver(t.Context(), socket, admin.TakeOverRequest{Force: force})
		require.NoError(t, err)
		assert.Equal(t, force, <-s.forced)
		said, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "all of it\n", string(said), "what follows the switch belongs to the two servers")
		require.NoError(t, conn.Close())
	}
	_, err := dial(t, socket).Agents(t.Context())
	require.NoError(t, err, "others are still answered")
}

func TestOutcomesAreTakenByWhoWritesTheTrail(t *testing.T) {
	t.Parallel()
	_, socket := making(t, successor{})
	conn, err := admin.Relay(t.Context(), socket)
	require.NoError(t, err)
	_, err = io.WriteString(conn, "an outcome\n")
	require.NoError(t, err)
	said, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Equal(t, "kept an outcome\n", string(said))
	require.NoError(t, conn.Close())
}

// Why not is told in the server's own words, with what to try, and nothing is handed over.
func TestAServerThatMakesNoRoomSaysWhy(t *testing.T) {
	t.Parallel()
	busy := successor{forced: make(chan bool, 1), busy: &admin.Error{Kind: admin.Conflict, Msg: "it serves; it is not draining", Try: "say --take-over"}}
	_, socket := making(t, busy)
	_, err := admin.TakeOver(t.Context(), socket, admin.TakeOverRequest{})
	var failure *admin.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, admin.Error{Kind: admin.Conflict, Msg: "it serves; it is not draining", Try: "say --take-over"}, *failure)

	_, alone := making(t, nil)
	_, err = admin.TakeOver(t.Context(), alone, admin.TakeOverRequest{Force: true})
	require.ErrorContains(t, err, "no server is running")
	_, err = admin.Relay(t.Context(), alone)
	require.ErrorContains(t, err, "no server is running")

	none := filepath.Join(t.TempDir(), "admin.sock")
	_, err = admin.TakeOver(t.Context(), none, admin.TakeOverRequest{})
	require.ErrorIs(t, err, admin.ErrNoServer)
	_, err = admin.Relay(t.Context(), none)
	require.ErrorIs(t, err, admin.ErrNoServer)
}

// Whoever is asked to make room may be something else, and is not believed.
func TestWhatAnswersATakeOverInAnotherWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"nothing":       {"", "does not answer"},
		"half a head":   {"HTTP/1.1 101 Switching", "does not answer"},
		"no HTTP":       {"SSH-2.0-x\r\n\r\n", "read the server's answer"},
		"another agent": {"HTTP/1.1 404 Not Found\r\n\r\nnot here", "answers with status 404"},
		"no JSON":       {"HTTP/1.1 500 Broken\r\n\r\n{}", "answers with status 500"},
		"its own words": {"HTTP/1.1 409 Conflict\r\n\r\n" + `{"kind":"conflict","error":"not now"}`, "not now"},
		"an endless head": {"HTTP/1.1 101 Switching\r\n" + func() string {
			return string(make([]byte, 20<<10))
		}(), "answers something else"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(t.TempDir(), "s")
			ln, err := net.Listen("unix", socket)
			require.NoError(t, err)
			t.Cleanup(func() { _ = ln.Close() })
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, c.answer)
				}
			}()
			conn, err := admin.TakeOver(t.Context(), socket, admin.TakeOverRequest{})
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, conn)
			<-done
		})
	}
}

// Whoever takes the socket over keeps it: the server before it leaves it where it is.
func TestASocketIsHandedOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "admin.sock")
	log := slog.New(slog.DiscardHandler)
	first, err := admin.Listen(path, log)
	require.NoError(t, err)
	file, err := first.(interface{ File() (*os.File, error) }).File()
	require.NoError(t, err)
	handed, err := net.FileListener(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	waiting := dial(t, path) // connected before anybody accepts

	admin.Leave(first)
	require.NoError(t, first.Close())
	require.FileExists(t, path)
	second := admin.Inherit(handed.(*net.UnixListener), path, log)
	server := admin.NewServer(f.Service, http.NotFoundHandler(), log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(second) }()
	for _, c := range []*admin.Client{waiting, dial(t, path)} {
		_, err = c.Agents(t.Context())
		require.NoError(t, err)
		assert.Contains(t, []int{0, os.Getpid()}, c.Server())
	}
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-served)
	assert.NoFileExists(t, path)
}

// Who has connected and says nothing does not keep a server from ending, and who is being
// answered is waited for.
func TestAServerEndsAlthoughSomebodyIsSilent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "admin.sock")
	log := slog.New(slog.DiscardHandler)
	ln, err := admin.Listen(path, log)
	require.NoError(t, err)
	asked, answer := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = io.WriteString(w, "ready")
	})
	server := admin.NewServer(f.Service, slow, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	silent, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer silent.Close()
	page, client := make(chan string, 1), dial(t, path)
	go func() {
		data, err := client.Page(context.WithoutCancel(t.Context()), "/readyz")
		page <- string(data) + errorText(err)
	}()
	<-asked
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ended <- server.Shutdown(ctx)
	}()
	one := make([]byte, 1)
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = silent.Read(one)
	require.ErrorIs(t, err, io.EOF, "it is hung up on")
	select {
	case err := <-ended:
		t.Fatal("the server has ended before its answer was given: ", err)
	default:
	}
	close(answer)
	assert.Equal(t, "ready", <-page)
	require.NoError(t, <-ended)
	require.NoError(t, <-served)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
