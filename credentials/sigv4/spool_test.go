package sigv4_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/credentials/sigv4"
)

// TestFilesOfBodiesAreBoundedTogether: no agent fills the disk; the room of a body is
// free again when its exchange ends, and a body stays readable until then.
func TestFilesOfBodiesAreBoundedTogether(t *testing.T) {
	t.Parallel()
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: at(now), Spool: &sigv4.Spool{Dir: t.TempDir(), Total: 5 << 20}})
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
