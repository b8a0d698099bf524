package trail_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// open opens a trail in a folder of its own and closes it with the test.
func open(t testing.TB, change ...func(*trail.Config)) (*trail.Writer, string) {
	t.Helper()
	c := trail.Config{Path: filepath.Join(t.TempDir(), "audit.db"), Instance: "test"}
	trail.SmallSegments(&c) // so that small trails have some
	for _, f := range change {
		f(&c)
	}
	writer, err := trail.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close(context.Background()) })
	return writer, c.Path
}

func reader(t testing.TB, path string) *trail.Reader {
	t.Helper()
	r, err := trail.OpenReader(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func intent() *audit.Intent {
	return &audit.Intent{
		ID: audit.NewID(), StartedAt: time.Now(),
		Who: audit.Who{
			Agent: uuid.MustParse("0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b"), AgentName: "worker",
			Owner: "person:dana", Accountable: "person:dana", Policy: "operator",
		},
		PolicyHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Rule: "model", Decision: audit.DecisionAllow,
		Method: "POST", Scheme: "https", Host: "api.anthropic.com", Port: 443, Path: "/v1/messages",
		Credential: "anthropic", CredentialFingerprint: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		CertSerial: "7d3f5a9b1c2e4f60718293a4b5c6d7e8", ClientAddr: "127.0.0.1:50432", HTTPVersion: "1.1", AuthorizeMS: 0.021,
	}
}

func outcome() *audit.Outcome {
	return &audit.Outcome{
		EndedAt: time.Now(), UpstreamAddr: "160.79.104.10:443", Status: 200, Outcome: audit.OutcomeCompleted,
		BytesSent: 812, BytesReceived: 1024, UpstreamRequestID: "req_011CSHoEeqs5C35K2UUqR7Fy",
		Timings: audit.Timings{Audit: 0.3, Connect: 12.5, FirstByte: 140.25, Total: 150},
	}
}

func TestExchangeIsTold(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	require.NoError(t, writer.Begin(t.Context(), in))
	r := reader(t, path)

	list, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, in.ID, list[0].ID)
	assert.False(t, list[0].Ended)
	assert.JSONEq(t, `null`, member(t, list[0], "outcome"))
	assert.JSONEq(t, `null`, member(t, list[0], "bytes_sent"))

	writer.End(in.ID, outcome())
	require.NoError(t, writer.Close(t.Context()))
	x, events, err := r.Show(t.Context(), in.ID)
	require.NoError(t, err)
	assert.True(t, x.Ended)
	assert.Equal(t, 200, x.Outcome.Status)
	require.Len(t, events, 2)
	assert.Equal(t, "intent", events[0].Type)
	assert.Equal(t, "outcome", events[1].Type)
	assert.JSONEq(t, `{"authorize":0.021,"credential":null,"audit":0.3,"connect":12.5,"first_byte":140.25,"total":150}`, member(t, x, "timings"))
	assert.Equal(t, in.PolicyHash, x.PolicyHash)
	assert.Equal(t, in.CertSerial, x.CertSerial)
}

func member(t *testing.T, v any, key string) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &m))
	require.Contains(t, m, key)
	return string(m[key])
}
