package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/proxy/wire"
)

func TestAnAgentThatLeavesIsNoticedWhileItWaits(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan error, 1)
	conn := inTunnel(t, func(f *wire.Flow, _ http.ResponseWriter, _ *http.Request) {
		close(began)
		<-f.Context().Done()
		ended <- context.Cause(f.Context())
	})
	_, err := io.WriteString(conn, get)
	require.NoError(t, err)
	<-began
	require.NoError(t, conn.Close())
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(within):
		t.Fatal("it was not noticed")
	}
}

// What an agent sends while it waits is its next request.
func TestARequestSentDuringAnotherIsServedAfterIt(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	slow, fast := strings.Replace(get, "/", "/slow", 1), strings.Replace(get, "/", "/fast", 1)
	_, err := io.WriteString(conn, slow)
	require.NoError(t, err)
	for _, piece := range []string{fast[:1], fast[1:9], fast[9:]} {
		time.Sleep(80 * time.Millisecond) // the server begins to look for its agent meanwhile
		_, err = io.WriteString(conn, piece)
		require.NoError(t, err)
	}
	close(release)
	reader := bufio.NewReader(conn)
	for _, want := range []string{"/slow", "/fast"} {
		_, text := answerTo(t, reader)
		assert.Equal(t, want, text)
	}
}

func TestReadingABodyInvitesItOnce(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(f.Body(r.Body, nil))
		assert.NoError(t, err)
		_, _ = w.Write(text)
	})
	reader := bufio.NewReader(conn)
	for range 2 {
		_, err := io.WriteString(conn, strings.Replace(upload, "Content-Length", "Expect: 100-Continue\r\nContent-Length", 1))
		require.NoError(t, err)
		response, _ := answerTo(t, reader)
		require.Equal(t, http.StatusContinue, response.StatusCode)
		_, err = io.WriteString(conn, "hello")
		require.NoError(t, err)
		response, text := answerTo(t, reader)
		assert.Equal(t, "hello", text)
		assert.False(t, response.Close)
	}
}

// A client that sends all before it reads would lose the answer to a reset.
func TestAnEarlyAnswerIsNotLost(t *testing.T) {
	t.Parallel()
	const pieces, size = 20, 450000
	for name, said := range map[string]string{
		"an upload": "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 9000000\r\n\r\n",
		"no head":   "POST / HTTP/1.1\r\nBad Name: x\r\n\r\n",
	} {
		conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, _ *http.Request) {
			f.CloseAfter()
			f.GiveUpBody()
			w.WriteHeader(http.StatusTeapot)
		})
		_, err := io.WriteString(conn, said)
		require.NoError(t, err)
		for range pieces { // in more than a second
			time.Sleep(60 * time.Millisecond)
			_, err = conn.Write(bytes.Repeat([]byte("x"), size))
			require.NoError(t, err, name)
		}
		response, _ := answerTo(t, bufio.NewReader(conn))
		assert.Equal(t, http.StatusTeapot, response.StatusCode, name)
		assert.True(t, response.Close, name)
	}
}

// What is read and forgotten has its bounds, and so has the time for it.
func TestAnUploadThatWasAnsweredIsNotReadForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size     int           // of a piece
		pause    time.Duration // between two
		bytes    int           // at most
		duration time.Duration // at most
	}{
		"large":  {64 << 10, 0, 257 << 20, time.Second},
		"long":   {1, 100 * time.Millisecond, 1000, 32 * time.Second},
		"silent": {1, time.Minute, 2, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				began, served := time.Now(), make(chan time.Duration)
				go func() {
					wire.ServeHTTP1(ours, &house{}, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Connection", "close")
						w.WriteHeader(http.StatusForbidden)
					})
					served <- time.Since(began)
				}()
				_, err := io.WriteString(theirs, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
				require.NoError(t, err)
				response, _ := answerTo(t, bufio.NewReader(theirs))
				assert.Equal(t, http.StatusForbidden, response.StatusCode)
				var sending sync.WaitGroup
				sending.Go(func() {
					sent, piece := 0, make([]byte, c.size)
					for err == nil {
						_, err = theirs.Write(piece)
						sent += len(piece)
						time.Sleep(c.pause)
					}
					assert.LessOrEqual(t, sent, c.bytes)
				})
				assert.LessOrEqual(t, <-served, c.duration)
				sending.Wait()
			})
		})
	}
}

// Nobody who is leaving waits for what is only read to be forgotten.
func TestAnUploadThatWasAnsweredHoldsNoShutdownUp(t *testing.T) {
	t.Parallel()
	h := &house{handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	}}
	r := newRig(t, h)
	conn := r.connect("example.test", "http/1.1")
	response, _ := ask(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
	assert.Equal(t, http.StatusForbidden, response.StatusCode)
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, err := io.WriteString(conn, "x"); err == nil; _, err = io.WriteString(conn, "x") {
			time.Sleep(10 * time.Millisecond)
		}
	})
	began := time.Now()
	r.grace = within
	r.stop()
	assert.Less(t, time.Since(began), 5*time.Second)
	sending.Wait()
}

func TestConnectionsWithoutARequestEndAtOnce(t *testing.T) {
	t.Parallel()
	h := &house{handler: whence}
	r := newRig(t, h)
	var readers []io.Reader
	for range 3 {
		conn := r.connect("example.test", "http/1.1")
		_, _ = ask(t, conn, get)
		readers = append(readers, conn)
	}
	r.stop()
	for _, reader := range readers {
		rest, err := io.ReadAll(reader)
		assert.NoError(t, err, "it is ended in good order")
		assert.Empty(t, rest)
	}
}

// The deadline of a body that was too slow is not the next request's.
func TestDeadlinesEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
		f.ReadBy(time.Now().Add(time.Minute))
		text, _ := io.ReadAll(f.Body(r.Body, nil))
		f.ReadBy(time.Unix(1, 0))
		_, _ = w.Write(text)
	})
	reader := bufio.NewReader(conn)
	for range 3 {
		_, err := io.WriteString(conn, upload+"hello")
		require.NoError(t, err)
		_, text := answerTo(t, reader)
		assert.Equal(t, "hello", text)
	}
}

func TestTrailersFollowTheirBody(t *testing.T) {
	t.Parallel()
	conn := inTunnel(t, func(f *wire.Flow, w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, f.Body(r.Body, nil))
		assert.NoError(t, err)
		_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
	})
	reader := bufio.NewReader(conn)
	for range 2 {
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n")
		require.NoError(t, err)
		_, text := answerTo(t, reader)
		assert.Equal(t, "7", text)
	}
}

// A head that comes byte by byte has its time for all of it, and costs no more than its length.
func TestASlowHeadIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		began := time.Now()
		served := make(chan struct{})
		go func() {
			defer close(served)
			wire.ServeHTTP1(ours, &house{}, func(http.ResponseWriter, *http.Request) { assert.Fail(t, "no request has come") })
		}()
		_, err := io.WriteString(theirs, strings.TrimSuffix(get, "\r\n"))
		for err == nil {
			time.Sleep(time.Second)
			_, err = io.WriteString(theirs, "X: y\r\n")
		}
		<-served
		assert.LessOrEqual(t, time.Since(began), 11*time.Second)
	})
}

// However its pieces fall, a head ends where it ends, and what follows is the next.
func TestAHeadMayComeInAnyPieces(t *testing.T) {
	t.Parallel()
	long := strings.Replace(get, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 9000)+"\r\n\r\n", 1)
	said := get + long + upload + "hello" + long + get
	for size := 1; size < 5000; size = size*3/2 + 1 {
		var got []string
		wire.ServeHTTP1(&script{said: &pieces{said, size}}, &house{}, func(_ http.ResponseWriter, r *http.Request) {
			text, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			got = append(got, r.Method+strconv.Itoa(len(r.Header.Get("X")))+string(text))
		})
		assert.Equal(t, []string{"GET0", "GET9000", "POST0hello", "GET9000", "GET0"}, got, "in pieces of %d", size)
	}
}

// pieces are read one at a time.
type pieces struct {
	left string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size)], p.left)
	p.left = p.left[n:]
	return n, nil
}
