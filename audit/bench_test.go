package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// BenchmarkHash is what the tree adds to an exchange: the hashes of two events.
func BenchmarkHash(b *testing.B) {
	intent, outcome := audit.EncodeIntent(intent(), "i"), audit.EncodeOutcome(outcome())
	hash := audit.Hasher()
	b.ReportAllocs()
	for b.Loop() {
		hash(intent)
		hash(outcome)
	}
	b.ReportMetric(float64(len(intent)+len(outcome)), "payload-bytes")
}

// BenchmarkEncode is what it costs to make the payloads of one exchange.
func BenchmarkEncode(b *testing.B) {
	in, out, instance := intent(), outcome(), "instance"
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = audit.AppendOutcome(audit.AppendIntent(buf[:0], in, &instance), out)
	}
}

// BenchmarkDecode is what it costs to read them.
func BenchmarkDecode(b *testing.B) {
	instance := "instance"
	first, second := audit.AppendIntent(nil, intent(), &instance), audit.AppendOutcome(nil, outcome())
	var x audit.Exchange
	b.ReportAllocs()
	for b.Loop() {
		x = audit.Exchange{}
		require.NoError(b, audit.DecodeIntent(first, &x.Intent))
		require.NoError(b, audit.DecodeOutcome(second, &x.Outcome))
	}
}

// BenchmarkJSON is what it costs to tell the exchange as JSON.
func BenchmarkJSON(b *testing.B) {
	x := &audit.Exchange{Intent: *intent(), Seq: 7, Ended: true, Outcome: *outcome(), OutcomeSeq: 8}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = x.AppendJSON(buf[:0])
	}
}
