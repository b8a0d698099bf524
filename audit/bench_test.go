package audit_test

import (
	"testing"

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
