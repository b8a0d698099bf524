package audit_test

import (
	"reflect"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestTheKindIsWhoByWhichRuleToWhere: the columns are part of the stored form.
func TestTheKindIsWhoByWhichRuleToWhere(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{
		"agent", "agent_name", "owner", "accountable", "policy", "rule", "decision", "refusal",
		"method", "scheme", "host", "port", "operation", "credential",
	}, audit.KindNames())
}

func TestTheColumnsOfAKindAreReadBack(t *testing.T) {
	t.Parallel()
	in := intent()
	in.Operation = "github:pulls/create"
	values := in.KindColumns()
	require.Len(t, values, len(audit.KindNames()))
	var back audit.Intent
	var agent []byte
	targets := back.KindTargets(&agent)
	require.Len(t, targets, len(values))
	for i, target := range targets {
		switch at := target.(type) {
		case *string:
			*at, _ = values[i].(string)
		case *uint16:
			n, _ := values[i].(int64)
			*at = uint16(n)
		case *[]byte:
			*at, _ = values[i].([]byte)
		default:
			require.Fail(t, "a column of a type that this test does not know")
		}
	}
	back.Agent, _ = uuid.FromBytes(agent)
	assert.Equal(t, in.Who, back.Who)
	assert.Equal(t, in.KindColumns(), back.KindColumns())
	assert.Empty(t, back.Path, "it is no part of the kind")
}

func TestAnUnknownAgentIsNull(t *testing.T) {
	t.Parallel()
	values := (&audit.Intent{}).KindColumns()
	assert.Nil(t, values[0])
	for _, v := range values[1:] {
		assert.True(t, reflect.ValueOf(v).IsZero(), "%v", v)
	}
}

// TestTheKindIsARunOfBytes: two exchanges are of a kind exactly if these bytes are the same.
func TestTheKindIsARunOfBytes(t *testing.T) {
	t.Parallel()
	key := func(in *audit.Intent) string {
		payload := audit.EncodeIntent(in, "i")
		b, err := audit.KindBytes(payload)
		require.NoError(t, err)
		require.Equal(t, string(payload[:len(b)]), string(b))
		alone, err := audit.DecodedIntent(b)
		require.NoError(t, err)
		require.Equal(t, in.KindColumns(), alone.KindColumns())
		return string(b)
	}
	same := key(intent())
	for name, alter := range map[string]func(*audit.Intent){
		"path":        func(in *audit.Intent) { in.Path = "/other" },
		"resource":    func(in *audit.Intent) { in.Resource = "acme/web" },
		"details":     func(in *audit.Intent) { in.Details = map[string]any{"a": "b"} },
		"certificate": func(in *audit.Intent) { in.CertSerial = "00" },
		"time":        func(in *audit.Intent) { in.AuthorizeMS = 7 },
	} {
		in := intent()
		alter(in)
		assert.Equal(t, same, key(in), name)
	}
	for name, alter := range map[string]func(*audit.Intent){
		"agent":     func(in *audit.Intent) { in.Agent = uuid.New() },
		"rule":      func(in *audit.Intent) { in.Rule = "other" },
		"port":      func(in *audit.Intent) { in.Port = 8443 },
		"host":      func(in *audit.Intent) { in.Host = "" },
		"operation": func(in *audit.Intent) { in.Operation = "x" },
	} {
		in := intent()
		alter(in)
		assert.NotEqual(t, same, key(in), name)
	}
	assert.Empty(t, key(&audit.Intent{Path: "/alone"}), "nothing of it is known")
}

func TestADamagedKindIsRefused(t *testing.T) {
	t.Parallel()
	for _, payload := range [][]byte{{1}, {1, 0}, {2, 9, 'x'}, {2, 1, 'x', 2, 1, 'y'}, {3, 1, 'x', 2, 1, 'y'}} {
		_, err := audit.KindBytes(payload)
		require.Error(t, err, "%v", payload)
	}
	b, err := audit.KindBytes(nil)
	require.NoError(t, err)
	assert.Empty(t, b)
}

// TestTextsAreReadFromWhatFollowsTheKind: path and resource, and neither more nor less.
func TestTextsAreReadFromWhatFollowsTheKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, resource string }{
		"both": {"/a", "acme/web"}, "no resource": {"/a", ""}, "no path": {"", "acme/web"}, "neither": {},
	} {
		in := intent()
		in.Path, in.Resource = c.path, c.resource
		payload := audit.EncodeIntent(in, "i")
		kind, err := audit.KindBytes(payload)
		require.NoError(t, err, name)
		path, resource, err := audit.ExcerptTexts(payload[len(kind):])
		require.NoError(t, err, name)
		assert.Equal(t, c.path, string(path), name)
		assert.Equal(t, c.resource, string(resource), name)
	}
	_, _, err := audit.ExcerptTexts([]byte{32, 9, 'x'})
	require.Error(t, err)
}

// TestTheBeginningOfAnOutcomeTellsWhatBecameOfIt without reading all of it.
func TestTheBeginningOfAnOutcomeTellsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	for _, word := range append(audit.Outcomes(), "", "something_new") {
		out := outcome()
		out.Outcome, out.Refusal, out.Status = word, "policy", 403
		got, err := audit.ExcerptOutcome(audit.EncodeOutcome(out))
		require.NoError(t, err)
		assert.Equal(t, word, got.Outcome)
		assert.Equal(t, "policy", string(got.Refusal))
		assert.EqualValues(t, 403, got.Status)
	}
	got, err := audit.ExcerptOutcome(nil)
	require.NoError(t, err)
	assert.Zero(t, got)
	for _, payload := range [][]byte{{1}, {3, 1, 0}, {3, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {2, 1, 'x', 1, 1, 'y'}} {
		_, err = audit.ExcerptOutcome(payload)
		require.Error(t, err, "%v", payload)
	}
}
