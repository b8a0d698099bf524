package audit_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestTheStoredFormStaysWhatItIs: these bytes are in trails, under signatures.
func TestTheStoredFormStaysWhatItIs(t *testing.T) {
	t.Parallel()
	in := &audit.Intent{Port: 443, Path: "/a", PolicyHash: "00ff", CertSerial: "xyz", AuthorizeMS: 0.021, Details: map[string]any{"k": true}}
	in.Owner, in.Method = "team:web", "GET"
	assert.Equal(t, "\x03\x08team:web"+"\x09\x03GET"+"\x0c\x02\x01\xbb"+"\x20\x02/a"+"\x22\x03\x01\x00\xff"+"\x24\x04\x00xyz"+"\x27\x04here"+"\x28\x01\x15"+"\x2a\x05\x07\x01\x01k\x02",
		string(audit.EncodeIntent(in, "here")))
	out := &audit.Outcome{Outcome: "completed", Status: 200, BytesSent: 0, BytesReceived: -1, Timings: audit.Timings{Audit: 0.3, Total: 150}, Error: "e"}
	assert.Equal(t, "\x01\x09completed"+"\x03\x01\xc8"+"\x05\x01\x01"+"\x08\x09\x00\x00\xac\x02\x00\x00\xf0\x93\x09"+"\x0a\x01e",
		string(audit.EncodeOutcome(out)))
}

func TestWhatIsUnknownTakesNoRoom(t *testing.T) {
	t.Parallel()
	assert.Empty(t, audit.EncodeIntent(&audit.Intent{}, ""))
	assert.Empty(t, audit.EncodeOutcome(&audit.Outcome{BytesSent: -1, BytesReceived: -1}))
	out, err := audit.DecodedOutcome(nil)
	require.NoError(t, err)
	assert.EqualValues(t, -1, out.BytesSent, "no count is not a count of none")
	assert.EqualValues(t, -1, out.BytesReceived)
}

func TestNumbersAreKeptWithinWhatTheyMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want audit.Outcome }{
		"none sent":      {audit.Outcome{BytesSent: 0}, audit.Outcome{BytesSent: 0}},
		"most":           {audit.Outcome{BytesSent: math.MaxInt64}, audit.Outcome{BytesSent: math.MaxInt64 - 1}},
		"below unknown":  {audit.Outcome{BytesSent: math.MinInt64}, audit.Outcome{BytesSent: -1}},
		"status below 0": {audit.Outcome{Status: -7}, audit.Outcome{Status: 0}},
		"rounded":        {audit.Outcome{Timings: audit.Timings{Total: 1.23456}}, audit.Outcome{Timings: audit.Timings{Total: 1.235}}},
		"not nothing":    {audit.Outcome{Timings: audit.Timings{Total: 1e-9}}, audit.Outcome{Timings: audit.Timings{Total: 0.001}}},
		"below 0 ms":     {audit.Outcome{Timings: audit.Timings{Total: -1}}, audit.Outcome{}},
		"not a number":   {audit.Outcome{Timings: audit.Timings{Total: math.NaN()}}, audit.Outcome{}},
		"endless":        {audit.Outcome{Timings: audit.Timings{Total: math.Inf(1)}}, audit.Outcome{Timings: audit.Timings{Total: (1<<53 - 1) / 1000.0}}},
	} {
		got, err := audit.DecodedOutcome(audit.EncodeOutcome(&c.in))
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

// TestAPayloadHasOneEncoding: a field out of order, twice, empty, of no known tag or of another
// form than its own is refused.
func TestAPayloadHasOneEncoding(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"unknown tag":       "\x2f\x01x",
		"tag 0":             "\x00\x01x",
		"tag 128":           "\x80\x01x",
		"tag alone":         "\x02",
		"empty":             "\x02\x00",
		"cut":               "\x02\x05abc",
		"long length":       "\x02\x81\x00x",
		"twice":             "\x02\x01x\x02\x01y",
		"out of order":      "\x03\x01x\x02\x01y",
		"short id":          "\x01\x02ab",
		"id of nobody":      "\x01\x10" + strings.Repeat("\x00", 16),
		"port 0":            "\x0c\x01\x00",
		"port with a zero":  "\x0c\x02\x00\x01",
		"port too large":    "\x0c\x03\x01\x00\x00",
		"word too long":     "\x07\x41" + strings.Repeat("x", 65),
		"packed, no form":   "\x22\x02\x02x",
		"packed, nothing":   "\x22\x01\x01",
		"packed as text":    "\x22\x05\x0000ff",
		"packed, too long":  "\x22\x82\x01\x01" + strings.Repeat("\xff", 129),
		"details not a map": "\x2a\x02\x05\x00",
		"duration too long": "\x28\x08\x7f\xff\xff\xff\xff\xff\xff\xff",
	} {
		_, err := audit.DecodedIntent([]byte(payload))
		require.ErrorContains(t, err, "not canonically encoded", name)
	}
	for name, payload := range map[string]string{
		"status 0":           "\x03\x01\x00",
		"count of nine":      "\x05\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"timings, none":      "\x08\x06\x00\x00\x00\x00\x00\x00",
		"timings, too few":   "\x08\x02\x01\x01",
		"timings, too many":  "\x08\x07\x01\x01\x01\x01\x01\x01\x01",
		"timings, long form": "\x08\x07\x81\x00\x01\x01\x01\x01\x01",
		"unknown tag":        "\x0b\x01x",
	} {
		_, err := audit.DecodedOutcome([]byte(payload))
		require.ErrorContains(t, err, "not canonically encoded", name)
	}
}

// TestWhatIsCutIsStillIdentified: by the hash of the whole, and never inside a character.
func TestWhatIsCutIsStillIdentified(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 200)
	cut := audit.Cut(long)
	assert.Regexp(t, `^é{128}…sha256:[0-9a-f]{64}$`, cut)
	assert.Equal(t, cut, audit.Cut(cut), "what was cut before is left alone")
	assert.NotEqual(t, cut, audit.Cut(long+"x"))
	assert.Equal(t, "short", audit.Cut("short"))
	assert.Equal(t, long, audit.CutResource(long), "a resource may be longer")
	assert.Greater(t, len(audit.CutResource(strings.Repeat("x", 1025))), 1024)
	assert.Regexp(t, `^x…?`, audit.Cut("x"+strings.Repeat("\x80", 400)), "of bytes that are no text, as many as there is room for")
	in, err := audit.DecodedIntent(audit.EncodeIntent(&audit.Intent{Rule: long, Resource: long}, ""))
	require.NoError(t, err)
	assert.Equal(t, cut, in.Rule)
	assert.Equal(t, long, in.Resource)
}
