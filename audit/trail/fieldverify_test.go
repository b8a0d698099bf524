package trail_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestEveryColumnOfAKindIsVerified: what queries read of who, by which rule and to where is
// held to the events, column by column.
func TestEveryColumnOfAKindIsVerified(t *testing.T) {
	t.Parallel()
	source := filled(t, 12)
	db, err := trail.OpenDatabase(source)
	require.NoError(t, err)
	var columns string
	require.NoError(t, db.QueryRow("SELECT group_concat(name || ' ' || type, ',') FROM pragma_table_info('kinds') WHERE name NOT IN ('id', 'key')").Scan(&columns))
	require.NoError(t, db.Close())
	for column := range strings.SplitSeq(columns, ",") {
		name, kind, _ := strings.Cut(column, " ")
		other := map[string]string{"TEXT": "'other'", "INTEGER": "1", "BLOB": "zeroblob(16)"}[kind]
		path := filepath.Join(t.TempDir(), "audit.db")
		copyTrail(t, source, path)
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		_, err = db.Exec("UPDATE kinds SET " + name + " = " + other + " WHERE id = 1")
		require.NoError(t, err)
		require.NoError(t, db.Close())
		report, err := reader(t, path).Verify(t.Context())
		require.NoError(t, err)
		assert.False(t, report.OK, name)
		assert.Contains(t, strings.Join(report.Problems, "\n"), "kind 1 is told otherwise", name)
	}
}

// TestEventsMatchAFilterByWhatTheyName: an event that is no exchange's is selected by the
// fields that it names, and by none that only exchanges have.
func TestEventsMatchAFilterByWhatTheyName(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	who := audit.Who{Agent: intent().Agent, AgentName: "builder", Owner: "team:web", Accountable: "person:dana", Policy: "p"}
	payload := who.Payload()
	payload["credential"] = "github"
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeAgentSuspended, Payload: payload}))
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: audit.TypeServerStarted}))
	count := func(f audit.Filter) int {
		records, _, err := reader(t, path).Follow(0, audit.Events).Next(t.Context(), f)
		require.NoError(t, err)
		return len(records)
	}
	assert.Equal(t, 2, count(audit.Filter{}))
	assert.Equal(t, 1, count(audit.Filter{Agent: who.Agent, AgentName: "builder"}))
	assert.Zero(t, count(audit.Filter{Text: "builder"}))
	assert.Zero(t, count(audit.Filter{Status: 200}))
	named := map[string]string{"owner": "team:web", "accountable": "person:dana", "policy": "p", "credential": "github"}
	for _, flag := range audit.Flags() {
		var f audit.Filter
		*flag.Value(&f) = "another"
		assert.Zero(t, count(f), "--%s another", flag.Name)
		if value := named[flag.Name]; value != "" {
			*flag.Value(&f) = value
			assert.Equal(t, 1, count(f), "--%s %s", flag.Name, value)
		}
	}
}
