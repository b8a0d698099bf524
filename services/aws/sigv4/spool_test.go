package sigv4_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

// TestFilesOfBodiesAreBoundedTogether: no agent fills the disk; the room of a body is
// free again when its exchange ends, and a body stays readable until then.
func TestFilesOfBodiesAreBoundedTogether(t *testing.T) {
	t.Parallel()
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: t.TempDir(), Total: 7 << 20, Each: 5 << 20}})
	require.NoError(t, err)
	send := func(size int) (*http.Request, context.CancelFunc, error) {
		r := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", bytes.NewReader(make([]byte, size)))
		placeholder(r, "dynamodb", "eu-west-1", stamp)
		ctx, end := context.WithCancel(t.Context())
		r = r.WithContext(ctx)
		return r, end, resign(s, r)
	}
	first, end, err := send(3 << 20)
	require.NoError(t, err)
	_, endSecond, err := send(3 << 20)
	endSecond()
	requireRefusal(t, sigv4.Busy, err)
	_, endSmall, err := send(1 << 10)
	endSmall()
	require.NoError(t, err, "what fits into memory needs no room")

	require.NoError(t, first.Body.Close(), "as a transport does that has not begun to send")
	body, err := io.ReadAll(first.Body)
	require.NoError(t, err)
	assert.Len(t, body, 3<<20)
	end()
	require.Eventually(t, func() bool {
		_, endThird, err := send(3 << 20)
		endThird()
		return err == nil
	}, 10*time.Second, 5*time.Millisecond)
}

// TestWhatIsAnnouncedTakesNoRoom has one holder announce as much as there is and send little,
// and then send as much as it can: the others still get theirs.
func TestWhatIsAnnouncedTakesNoRoom(t *testing.T) {
	t.Parallel()
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: t.TempDir(), Limit: 8 << 20, Total: 16 << 20}})
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	send := func(holder string, announced int64, body io.Reader) error {
		r := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", body)
		placeholder(r, "dynamodb", "eu-west-1", stamp)
		r = r.WithContext(ctx)
		r.ContentLength = announced
		in, err := sigv4.Read(r)
		require.NoError(t, err)
		in.Holder = holder
		return s.Resign(r, in)
	}
	var stopped sync.WaitGroup
	var pipes []*io.PipeWriter
	for range 3 { // a fourth has no room of its holder's
		from, to := io.Pipe()
		stopped.Go(func() { assert.Error(t, send("greedy", 8<<20, from)) })
		_, err := to.Write(make([]byte, 1<<20+1)) // so much that it is going to a file
		require.NoError(t, err)
		pipes = append(pipes, to)
	}
	require.NoError(t, send("another", 2<<20, bytes.NewReader(make([]byte, 2<<20))))
	for range 2 {
		requireRefusal(t, sigv4.Busy, send("greedy", 2<<20, bytes.NewReader(make([]byte, 2<<20))))
	}
	require.NoError(t, send("another", 2<<20, bytes.NewReader(make([]byte, 2<<20))))
	for _, to := range pipes {
		require.NoError(t, to.CloseWithError(io.ErrUnexpectedEOF))
	}
	stopped.Wait()
}

// TestMemoryIsTakenAsItComes counts what is held of bodies that are read ahead, and of large
// signed chunks.
func TestMemoryIsTakenAsItComes(t *testing.T) {
	t.Parallel()
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: t.TempDir()}})
	require.NoError(t, err)
	var held, most int64
	send := func(size int, left int64) error {
		r := request(t, http.MethodPost, "https://dynamodb.eu-west-1.amazonaws.com/", bytes.NewReader(make([]byte, size)))
		placeholder(r, "dynamodb", "eu-west-1", stamp)
		in, err := sigv4.Read(r)
		require.NoError(t, err)
		held, most = 0, 0
		in.Memory = func(n int64) bool {
			held += n
			most = max(most, held)
			return held <= left
		}
		return s.Resign(r, in)
	}
	require.NoError(t, send(500<<10, 1<<20))
	assert.Equal(t, int64(500<<10), held)
	require.NoError(t, send(3<<20, 2<<20))
	assert.Equal(t, int64(1<<20), most)
	assert.Zero(t, held, "the rest is in a file, and then all of it")
	requireRefusal(t, sigv4.Busy, send(500<<10, 100<<10))

	const chunk = 1 << 20
	body := fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", chunk, strings.Repeat("0", 64), strings.Repeat("a", chunk))
	r := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body)
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(chunk))
	placeholder(r, "s3", "us-east-1", stamp)
	in, err := sigv4.Read(r)
	require.NoError(t, err)
	held = 0
	in.Memory = func(n int64) bool { held += n; return held <= chunk/2 }
	require.NoError(t, s.Resign(r, in))
	_, err = io.Copy(io.Discard, r.Body)
	requireRefusal(t, sigv4.Busy, err)
}
