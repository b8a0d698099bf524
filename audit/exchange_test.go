package audit_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// rowOf is an exchange as JSON tells it.
func rowOf(t *testing.T, x *audit.Exchange) map[string]any {
	t.Helper()
	return unmarshal(t, x.AppendJSON(nil))
}

// TestAnExchangeIsReadFromItsTwoEvents: id, seq and times are columns, the rest is payload.
func TestAnExchangeIsReadFromItsTwoEvents(t *testing.T) {
	t.Parallel()
	in, out := intent(), outcome()
	first, second := stored(audit.TypeIntent, audit.EncodeIntent(in, "here")), stored(audit.TypeOutcome, audit.EncodeOutcome(out))
	second.Seq, second.At = 9, minute(4).UnixMicro()
	var x audit.Exchange
	require.NoError(t, x.ReadIntent(first))
	assert.Equal(t, first.Exchange, x.ID)
	assert.EqualValues(t, 7, x.Seq)
	assert.Equal(t, minute(3), x.StartedAt)
	assert.Equal(t, "here", x.Instance)
	assert.Equal(t, in.Who, x.Who)
	assert.False(t, x.Ended)
	require.NoError(t, x.ReadOutcome(second))
	assert.True(t, x.Ended)
	assert.EqualValues(t, 9, x.OutcomeSeq)
	assert.Equal(t, minute(4), x.Outcome.EndedAt)
	assert.EqualValues(t, 812, x.Outcome.BytesSent)
}

func TestARemovedPayloadLeavesTheRestUnknown(t *testing.T) {
	t.Parallel()
	first, second := stored(audit.TypeIntent, nil), stored(audit.TypeOutcome, nil)
	first.Removed, second.Removed = true, true
	var x audit.Exchange
	require.NoError(t, x.ReadIntent(first))
	require.NoError(t, x.ReadOutcome(second))
	row := rowOf(t, &x)
	assert.Equal(t, first.Exchange.String(), row["id"])
	assert.NotNil(t, row["started_at"])
	assert.NotNil(t, row["ended_at"])
	for _, key := range []string{"agent", "host", "path", "status", "outcome", "bytes_sent", "details", "error"} {
		assert.Nil(t, row[key], key)
	}
	e, err := second.Decode()
	require.NoError(t, err)
	assert.Nil(t, e.Payload)
}

func TestADamagedPayloadNamesItsEvent(t *testing.T) {
	t.Parallel()
	for _, payload := range [][]byte{{200}, {1}, {1, 0}, {1, 2, 1}, {39, 1, 'i', 1, 1, 'x'}, {45, 1, 1}} {
		var x audit.Exchange
		require.ErrorContains(t, x.ReadIntent(stored(audit.TypeIntent, payload)), "event 7: payload is not canonically encoded")
		require.ErrorContains(t, x.ReadOutcome(stored(audit.TypeOutcome, payload)), "event 7: ")
		for _, typ := range []string{audit.TypeIntent, audit.TypeOutcome, audit.TypeServerStarted} {
			_, err := stored(typ, payload).Decode()
			require.ErrorContains(t, err, "event 7: ", typ)
		}
	}
}

// TestAnOpenExchangeTellsNoCounts: 0 is a count only once there is one.
func TestAnOpenExchangeTellsNoCounts(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{Intent: *intent(), Seq: 7}
	row := rowOf(t, x)
	assert.Nil(t, row["bytes_sent"])
	assert.Nil(t, row["ended_at"])
	assert.Nil(t, row["outcome"])
	x.Ended = true
	row = rowOf(t, x)
	assert.EqualValues(t, 0, row["bytes_sent"])
	x.Outcome.BytesSent = -1
	assert.Nil(t, rowOf(t, x)["bytes_sent"], "nobody counted")
}

// TestEveryKeyIsAlwaysThere: a reader never has to ask whether a row has a key.
func TestEveryKeyIsAlwaysThere(t *testing.T) {
	t.Parallel()
	full := &audit.Exchange{Intent: *intent(), Seq: 7, Ended: true, Outcome: *outcome(), OutcomeSeq: 8}
	empty, row := rowOf(t, &audit.Exchange{}), rowOf(t, full)
	assert.Len(t, empty, len(row))
	for key := range row {
		assert.Contains(t, empty, key)
	}
	data, err := json.Marshal(full)
	require.NoError(t, err)
	assert.JSONEq(t, string(full.AppendJSON(nil)), string(data))
}

func TestTheOutcomeHasTheLastWord(t *testing.T) {
	t.Parallel()
	x := &audit.Exchange{Intent: *intent(), Ended: true, Outcome: *outcome()}
	x.Refusal, x.Details = "policy", map[string]any{"a": int64(1), "b": "intent"}
	x.AuthorizeMS, x.CredentialMS = 0.5, 2
	x.Outcome.Timings = audit.Timings{Credential: 3, Total: 9}
	row := rowOf(t, x)
	assert.Equal(t, "policy", row["refusal"], "the outcome has none of its own")
	x.Outcome.Refusal, x.Outcome.Details = "upstream", map[string]any{"b": "outcome", "c": true}
	row = rowOf(t, x)
	assert.Equal(t, "upstream", row["refusal"])
	assert.Equal(t, map[string]any{"a": 1.0, "b": "outcome", "c": true}, row["details"])
	assert.Equal(t, map[string]any{"authorize": 0.5, "credential": 3.0, "audit": nil, "connect": nil, "first_byte": nil, "total": 9.0}, row["timings"])
	assert.Equal(t, map[string]any{"a": int64(1), "b": "intent"}, x.Details, "nothing is changed by telling it")
}

// TestEventsOfAnExchangeTellWhatIsKnown: by the names of the fields, without what is not.
func TestEventsOfAnExchangeTellWhatIsKnown(t *testing.T) {
	t.Parallel()
	e, err := stored(audit.TypeIntent, audit.EncodeIntent(intent(), "here")).Decode()
	require.NoError(t, err)
	assert.Equal(t, "here", e.Payload["instance"])
	assert.Equal(t, intent().Agent.String(), e.Payload["agent"])
	assert.EqualValues(t, 443, e.Payload["port"])
	assert.Equal(t, map[string]any{"authorize": 0.021}, e.Payload["timings"])
	assert.NotContains(t, e.Payload, "operation")
	out := outcome()
	out.BytesReceived, out.Details = -1, map[string]any{"k": "v"}
	e, err = stored(audit.TypeOutcome, audit.EncodeOutcome(out)).Decode()
	require.NoError(t, err)
	assert.EqualValues(t, 200, e.Payload["status"])
	assert.EqualValues(t, 812, e.Payload["bytes_sent"])
	assert.NotContains(t, e.Payload, "bytes_received")
	assert.Equal(t, map[string]any{"k": "v"}, e.Payload["details"])
	assert.Equal(t, map[string]any{"audit": 0.3, "connect": 12.5, "first_byte": 140.25, "total": 150.0}, e.Payload["timings"])
}

func TestAnEventIsOneObject(t *testing.T) {
	t.Parallel()
	r := audit.EventRow{Seq: 3, ID: uuid.New(), Type: audit.TypeTrailPruned, At: minute(1), Payload: map[string]any{"up_to": int64(5)}}
	row := unmarshal(t, r.AppendJSON(nil))
	assert.Equal(t, map[string]any{
		"seq": 3.0, "id": r.ID.String(), "exchange": nil, "type": "trail.pruned", "at": "2026-01-01T00:01:00.000000Z",
		"payload": map[string]any{"up_to": 5.0},
	}, row)
	data, err := json.Marshal(r)
	require.NoError(t, err)
	assert.JSONEq(t, string(r.AppendJSON(nil)), string(data))
	fields := map[string]string{}
	r.EachField(func(name string, value []byte) { fields[name] = string(value) })
	assert.Len(t, fields, len(row))
	assert.Equal(t, `{"up_to":5}`, fields["payload"])
	assert.Equal(t, "null", fields["exchange"])
}
