package audit_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// stored is an event as a row of the table has it.
func stored(typ string, payload []byte) *audit.Encoded {
	e := &audit.Encoded{Seq: 7, Payload: payload}
	e.Fill(typ, uuid.MustParse("0198c5f2-6f5e-7c3a-9b1a-3f0e7c1d2a4b"), uuid.MustParse("0198c5f2-6f5e-7c3a-9b1a-000000000001"), minute(3))
	return e
}

func leafOf(e *audit.Encoded) string { return e.Leaf(sha256.Sum256(e.Payload)).String() }

// TestTheLeafCoversEveryColumn: no column of a row can be altered without another leaf.
func TestTheLeafCoversEveryColumn(t *testing.T) {
	t.Parallel()
	seen := map[string]string{leafOf(stored("server.started", []byte("p"))): "as it is"}
	for name, alter := range map[string]func(*audit.Encoded){
		"seq":      func(e *audit.Encoded) { e.Seq++ },
		"id":       func(e *audit.Encoded) { e.ID[15]++ },
		"exchange": func(e *audit.Encoded) { e.Exchange[0]++ },
		"none":     func(e *audit.Encoded) { e.Exchange = uuid.Nil },
		"type":     func(e *audit.Encoded) { e.Type = "server.stopped" },
		"shorter":  func(e *audit.Encoded) { e.Type = "server.starte" },
		"at":       func(e *audit.Encoded) { e.At++ },
		"version":  func(e *audit.Encoded) { e.Version++ },
		"payload":  func(e *audit.Encoded) { e.Payload = []byte("q") },
		"empty":    func(e *audit.Encoded) { e.Payload = nil },
	} {
		e := stored("server.started", []byte("p"))
		alter(e)
		leaf := leafOf(e)
		assert.Empty(t, seen[leaf], "%s gives the leaf of %s", name, seen[leaf])
		seen[leaf] = name
	}
}

// TestTheLeafStaysWhatItWas: trails are verified for years by what is computed here.
func TestTheLeafStaysWhatItWas(t *testing.T) {
	t.Parallel()
	e := stored("server.started", []byte("payload"))
	assert.Equal(t, "7lDWnDsyjT4v3xvUWye6GeT0r6dBX8N3UYLD2RVfQGY=", leafOf(e))
	with := leafOf(e)
	e.Removed = true
	assert.Equal(t, with, leafOf(e), "retention keeps the hash of the payload, and so the leaf")
}

func TestTheLongestTypeHasALeaf(t *testing.T) {
	t.Parallel()
	long := make([]byte, audit.MaxType)
	for i := range long {
		long[i] = 'x'
	}
	assert.NotEqual(t, leafOf(stored(string(long), nil)), leafOf(stored(string(long[1:]), nil)))
}

func TestTimesAreKeptToTheMicrosecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 891234567, time.FixedZone("", 3600))
	back := audit.FromMicros(audit.ToMicros(at))
	assert.Equal(t, at.Truncate(time.Microsecond).UTC(), back)
	assert.Equal(t, "2026-03-04T04:06:07.891234Z", audit.FormatTime(at))
	assert.Zero(t, audit.ToMicros(time.Time{}))
	assert.True(t, audit.FromMicros(0).IsZero(), "what is unknown stays unknown")
	assert.Equal(t, "+10000-01-01T00:00:00.000000Z"[1:], audit.FormatTime(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// TestOnlyExchangesAreRemoved: a payload that is not there was removed only where retention removes.
func TestOnlyExchangesAreRemoved(t *testing.T) {
	t.Parallel()
	removable := map[string]bool{audit.TypeIntent: true, audit.TypeOutcome: true, audit.TypePushRefs: true, audit.TypeCalls: true}
	for _, typ := range audit.EventTypes() {
		assert.Equal(t, removable[typ], audit.IsRemoved(typ, nil), typ)
		assert.False(t, audit.IsRemoved(typ, []byte{}), "%s has an empty payload", typ)
		assert.False(t, audit.IsRemoved(typ, []byte{1}), typ)
	}
}

func TestANewerEncodingIsNotGuessedAt(t *testing.T) {
	t.Parallel()
	e := stored(audit.TypeIntent, audit.EncodeIntent(intent(), "i"))
	require.NoError(t, e.CheckVersion())
	e.Version = audit.EncodingVersion + 1
	require.ErrorContains(t, e.CheckVersion(), "event 7: encoding version 2 is not known: use the newer program")
	_, err := e.Decode()
	require.ErrorContains(t, err, "use the newer program")
	var x audit.Exchange
	require.ErrorContains(t, x.ReadIntent(e), "use the newer program")
	require.ErrorContains(t, x.ReadOutcome(e), "use the newer program")
}

func TestFillingAnEventSetsWhatEveryEventHas(t *testing.T) {
	t.Parallel()
	e := stored(audit.TypeServerStarted, nil)
	assert.Equal(t, audit.TypeServerStarted, e.Type)
	assert.EqualValues(t, audit.EncodingVersion, e.Version)
	assert.Equal(t, minute(3).UnixMicro(), e.At)
	assert.Equal(t, "0198c5f2-6f5e-7c3a-9b1a-000000000001", e.Exchange.String())
}
