package sigv4_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/services/aws/sigv4"
)

func TestTheClockLearnsFromARefusalThatIsDated(t *testing.T) {
	t.Parallel()
	dated := func(ahead time.Duration) http.Header {
		return http.Header{"Date": {now.Add(ahead).Format(http.TimeFormat)}}
	}
	clock := at(now)
	for _, test := range []struct {
		status int
		h      http.Header
	}{
		{http.StatusOK, dated(time.Hour)},
		{http.StatusInternalServerError, dated(time.Hour)},
		{http.StatusForbidden, dated(3 * time.Minute)},
		{http.StatusForbidden, dated(8 * 24 * time.Hour)},
		{http.StatusForbidden, http.Header{}},
		{http.StatusForbidden, http.Header{"Date": {"yesterday"}}},
	} {
		_, learnt := clock.Learn("h.example", test.status, test.h)
		assert.False(t, learnt, test)
	}
	ahead, learnt := clock.Learn("h.example", http.StatusForbidden, dated(-20*time.Minute))
	assert.True(t, learnt)
	assert.Equal(t, -20*time.Minute, ahead)
	assert.Equal(t, now.Add(-20*time.Minute), clock.At("h.example"))
	assert.Equal(t, now, clock.At("other.example"), "one host does not speak for another")
	_, learnt = clock.Learn("h.example", http.StatusForbidden, dated(-20*time.Minute))
	assert.False(t, learnt, "it is known")
	_, learnt = clock.Learn("h.example", http.StatusForbidden, dated(0))
	assert.True(t, learnt, "and can be unlearnt")
	assert.Equal(t, now, clock.At("h.example"))

	_, learnt = (*sigv4.Clock)(nil).Learn("h.example", http.StatusForbidden, dated(time.Hour))
	assert.False(t, learnt)
}

func TestRequestsAreDatedByTheHostsClock(t *testing.T) {
	t.Parallel()
	clock := at(now)
	s, err := sigv4.NewSigner(session(), sigv4.Options{Clock: clock})
	require.NoError(t, err)
	_, learnt := clock.Learn("bucket.s3.eu-west-1.amazonaws.com", http.StatusForbidden, http.Header{"Date": {now.Add(time.Hour).Format(http.TimeFormat)}})
	require.True(t, learnt)
	for url, want := range map[string]time.Time{s3Host: now.Add(time.Hour), "https://other.s3.eu-west-1.amazonaws.com": now} {
		r := request(t, http.MethodGet, url, http.NoBody, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		placeholder(r, "s3", "eu-west-1", stamp)
		require.NoError(t, resign(s, r))
		assert.Equal(t, want.Format("20060102T150405Z"), r.Header.Get("X-Amz-Date"))
	}
}

// unread is a body that must not be read.
type unread struct{ io.Reader }

func TestAClaimIsJudgedBeforeAnythingIsRead(t *testing.T) {
	t.Parallel()
	r := request(t, http.MethodPost, "https://dynamodb.us-east-1.amazonaws.com/", unread{})
	placeholder(r, "dynamodb", "eu-west-1", stamp)
	in, err := sigv4.Read(r)
	require.NoError(t, err)
	requireRefusal(t, sigv4.HostMismatch, sigv4.Options{}.Accept(in, "dynamodb.us-east-1.amazonaws.com"))
	require.NoError(t, sigv4.Options{}.Accept(in, "DynamoDB.eu-west-1.amazonaws.com:443"))
	requireRefusal(t, sigv4.HostMismatch, awsSigner(t).Resign(r, in))
}
