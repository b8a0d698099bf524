package audit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
)

// TestOnlyWhatIsNoExchangeIsRecordedAsAnEvent: whatever else there is goes through Begin and End.
func TestOnlyWhatIsNoExchangeIsRecordedAsAnEvent(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"":                                   "empty or longer",
		strings.Repeat("x", audit.MaxType):   "",
		strings.Repeat("x", audit.MaxType+1): "empty or longer",
		audit.TypeIntent:                     "belongs to exchanges",
		audit.TypeOutcome:                    "belongs to exchanges",
		audit.TypeServerStarted:              "",
		"of.a.later.program":                 "",
	} {
		ev := audit.Event{Type: typ}
		if err := ev.Check(); want == "" {
			require.NoError(t, err, typ)
		} else {
			require.ErrorContains(t, err, want, typ)
		}
	}
	for _, typ := range audit.EventTypes() {
		assert.LessOrEqual(t, len(typ), audit.MaxType)
	}
}

func TestIDsAreOrderedByTime(t *testing.T) {
	t.Parallel()
	var ids []string
	for range 100 {
		id := audit.NewID()
		assert.EqualValues(t, 7, id.Version())
		ids = append(ids, id.String())
	}
	assert.True(t, slices.IsSorted(ids), "one that is made later is greater")
	assert.Len(t, slices.Compact(ids), 100)
}

// TestOutcomesAreWordsThatFit: each is a word that no reader has to quote, and each is there once.
func TestOutcomesAreWordsThatFit(t *testing.T) {
	t.Parallel()
	words := audit.Outcomes()
	for _, word := range words {
		assert.Regexp(t, `^[a-z_]{1,64}$`, word)
	}
	slices.Sort(words)
	assert.Equal(t, words, slices.Compact(slices.Clone(words)))
	assert.Contains(t, words, audit.OutcomeInterrupted)
	assert.Contains(t, words, audit.OutcomeRejected)
}
