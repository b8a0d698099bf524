package wire_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

// flowing is a handler that is given the request's flow.
func flowing(handle func(f *wire.Flow, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = wire.SessionOf(r).Framing(r)
		f := wire.NewFlow(w, r)
		defer f.Close()
		handle(f, w, r)
	}
}

// inTunnel serves requests of one connection with a flow.
func inTunnel(t *testing.T, handle func(f *wire.Flow, w http.ResponseWriter, r *http.Request)) net.Conn {
	return newRig(t, &house{handler: flowing(handle)}).connect("example.test", "http/1.1")
}

const (
	get    = "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"
	upload = "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\n" // without its body
)

func answerTo(t *testing.T, reader *bufio.Reader) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

func TestABodyIsCountedAndEndsOnce(t *testing.T) {
	t.Parallel()
	var ended, sent atomic.Int64
	var openBefore, openAfter atomic.Bool
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
		beginning := make([]byte, 2)
		_, err := io.ReadFull(f.Ahead(r.Body), beginning)
		assert.NoError(t, err)
		assert.Zero(t, f.Sent(), "what is read ahead is not sent yet")
		openBefore.Store(f.BodyOpen())
		out := f.Body(io.MultiReader(strings.NewReader(string(beginning)), r.Body), func() { ended.Add(1) })
		text, err := io.ReadAll(out)
		assert.NoError(t, err)
		assert.NoError(t, f.BodyFailed())
		openAfter.Store(f.BodyOpen())
		sent.Store(f.Sent())
		_, _ = w.Write(text)
	})
	reader := bufio.NewReader(conn)
	for n := range int64(2) {
		_, err := io.WriteString(conn, upload+"hello")
		require.NoError(t, err)
		_, text := answerTo(t, reader)
		assert.Equal(t, "hello", text)
		assert.Equal(t, n+1, ended.Load())
		assert.EqualValues(t, 5, sent.Load())
		assert.True(t, openBefore.Load())
		assert.False(t, openAfter.Load())
	}
}

func TestABodyThatBreaksOffIsTheAgents(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, f.Body(r.Body, func() { t.Error("it did not end") }))
		failed <- f.BodyFailed()
	})
	_, err := io.WriteString(conn, upload+"he")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	var broken *wire.BodyError
	require.ErrorAs(t, <-failed, &broken)
}

func TestABodyThatIsGivenUpHoldsNothingUp(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, _ *http.Request) {
		f.CloseAfter()
		w.WriteHeader(http.StatusForbidden)
		f.GiveUpBody()
	})
	_, err := io.WriteString(conn, upload)
	require.NoError(t, err)
	started := time.Now()
	response, _ := answerTo(t, bufio.NewReader(conn))
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	assert.True(t, response.Close)
	_, _ = io.Copy(io.Discard, conn)
	assert.Less(t, time.Since(started), 10*time.Second, "the connection ends without the rest")
}

var errStop = errors.New("stop")

// Whatever a handler waits for, a cut ends it.
func TestACutEndsEveryWait(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(f *wire.Flow, w http.ResponseWriter, r *http.Request) error{
		"for the agent's body": func(f *wire.Flow, _ http.ResponseWriter, r *http.Request) error {
			_, err := io.Copy(io.Discard, f.Body(r.Body, nil))
			return err
		},
		"for its own context": func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) error {
			<-f.Context().Done()
			return context.Cause(f.Context())
		},
		"for the agent to read": func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) error {
			return f.Copy(endless{}, false, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began, ended := make(chan *wire.Flow, 1), make(chan error, 1)
			conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
				began <- f
				ended <- wait(f, w, r)
			})
			_, err := io.WriteString(conn, upload)
			require.NoError(t, err)
			f := <-began
			assert.False(t, f.IsCut())
			f.Cut(errStop)
			require.Error(t, <-ended)
			assert.True(t, f.IsCut())
			assert.ErrorIs(t, context.Cause(f.Context()), errStop)
			f.Cut(errStop) // the handler may have returned
		})
	}
}

// endless never ends and never waits.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestACutAfterTheHandlerLeavesTheNextRequestAlone(t *testing.T) {
	t.Parallel()
	flows := make(chan *wire.Flow, 2)
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, _ *http.Request) {
		flows <- f
		_, _ = io.WriteString(w, "ok")
	})
	reader := bufio.NewReader(conn)
	for range 2 {
		_, err := io.WriteString(conn, get)
		require.NoError(t, err)
		_, text := answerTo(t, reader)
		assert.Equal(t, "ok", text)
		f := <-flows
		<-f.Context().Done()
		f.Cut(errStop)
		assert.False(t, f.IsCut(), "it had ended")
	}
}

func TestReadingHasADeadlineUntilItIsCut(t *testing.T) {
	t.Parallel()
	results := make(chan error, 3)
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, r *http.Request) {
		f.ReadBy(time.Now().Add(20 * time.Millisecond))
		_, err := f.Ahead(r.Body).Read(make([]byte, 1))
		results <- err
		f.Cut(errStop)
		f.ReadBy(time.Time{})
		_, err = f.Ahead(r.Body).Read(make([]byte, 1))
		results <- err
	})
	_, err := io.WriteString(conn, upload)
	require.NoError(t, err)
	require.ErrorIs(t, <-results, os.ErrDeadlineExceeded)
	require.Error(t, <-results)
}

func TestQuietIsTimeWithoutAByte(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, r *http.Request) {
		for f.Quiet() < 20*time.Millisecond {
			time.Sleep(time.Millisecond) // what is measured is time
		}
		before := f.Quiet()
		_, _ = io.Copy(io.Discard, f.Body(r.Body, nil))
		assert.Less(t, f.Quiet(), before)
	})
	_, err := io.WriteString(conn, upload+"hello")
	require.NoError(t, err)
	_, _ = answerTo(t, bufio.NewReader(conn))
}

func TestHintsPassUntilTheAnswer(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, f.Hint(http.StatusContinue, nil))
		assert.NoError(t, f.Hint(http.StatusEarlyHints, func(h http.Header) { h.Set("Link", "</a>") }))
		called := 0
		f.BeforeAnswer(func() { called++ })
		f.Answered()
		f.BeforeAnswer(func() { called++ })
		assert.Equal(t, 1, called)
		assert.NoError(t, f.Hint(http.StatusEarlyHints, func(http.Header) { t.Error("too late") }))
		assert.Empty(t, w.Header(), "a hint's header is not the answer's")
		_, _ = io.WriteString(w, "ok")
	})
	_, err := io.WriteString(conn, get)
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	hint, _ := answerTo(t, reader)
	assert.Equal(t, http.StatusEarlyHints, hint.StatusCode)
	assert.Equal(t, "</a>", hint.Header.Get("Link"))
	response, text := answerTo(t, reader)
	assert.Equal(t, "ok", text)
	assert.Empty(t, response.Header.Get("Link"))
}

func TestHintsAreBounded(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) {
		for range 32 {
			assert.NoError(t, f.Hint(http.StatusProcessing, nil))
		}
		assert.ErrorIs(t, f.Hint(http.StatusProcessing, nil), wire.ErrHints)
	})
	_, err := io.WriteString(conn, get)
	require.NoError(t, err)
	_, _ = answerTo(t, bufio.NewReader(conn))
}
