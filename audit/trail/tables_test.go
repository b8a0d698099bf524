package trail_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// TestTables: a plain database tells what the JSON of the same records tells.
func TestTables(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	in := intent()
	in.Path, in.Details = "/odd/\xff\x00é", map[string]any{"refs": []any{"a"}}
	require.NoError(t, writer.Begin(t.Context(), in))
	writer.End(in.ID, outcome())
	require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "agent.created", Payload: map[string]any{"name": "a", "n": 7}}))
	require.NoError(t, writer.Close(context.Background()))
	records, _, err := reader(t, path).Follow(0, audit.Everything).Next(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, records, 2)
	to := filepath.Join(t.TempDir(), "plain.db")
	tables, err := trail.NewTables(t.Context(), to)
	require.NoError(t, err)
	var x audit.Record
	for _, r := range records {
		if r.Exchange != nil {
			x = r
		}
		require.NoError(t, tables.Add(r))
	}
	require.NoError(t, tables.Close())
	assert.NoFileExists(t, to+"-wal")
	db, err := trail.OpenDatabase(to)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var odd, started, details, kind, payload string
	var status, port int
	var rule sql.NullString
	require.NoError(t, db.QueryRow("SELECT path, started_at, details, status, port, refusal FROM exchanges WHERE outcome = 'completed' AND status > 199").
		Scan(&odd, &started, &details, &status, &port, &rule))
	assert.Equal(t, `/odd/\xff\x00é`, odd)
	assert.Equal(t, [2]int{200, 443}, [2]int{status, port})
	assert.JSONEq(t, `{"refs":["a"]}`, details)
	assert.False(t, rule.Valid)
	assert.JSONEq(t, `"`+started+`"`, member(t, json.RawMessage(x.AppendJSON(nil)), "started_at"))
	require.NoError(t, db.QueryRow("SELECT type, payload FROM events").Scan(&kind, &payload))
	assert.Equal(t, "agent.created", kind)
	assert.JSONEq(t, `{"name":"a","n":7}`, payload)
}

// TestTablesReplaceNothing: the file is made, or it is left as it is.
func TestTablesReplaceNothing(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "plain.db")
	tables, err := trail.NewTables(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, tables.Close())
	_, err = trail.NewTables(t.Context(), to)
	require.ErrorContains(t, err, "make tables: ")
}

// TestTablesHoldManyRecords: more than one transaction, each row once.
func TestTablesHoldManyRecords(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "plain.db")
	tables, err := trail.NewTables(t.Context(), to)
	require.NoError(t, err)
	for i := range 2500 {
		x := &audit.Exchange{Intent: *intent(), Seq: uint64(i + 1), Ended: true, Outcome: *outcome()}
		x.Path = "/\x00" // which SQLite's own functions would end at
		require.NoError(t, tables.Add(audit.Record{Exchange: x}))
	}
	require.ErrorContains(t, tables.Add(audit.Record{Exchange: &audit.Exchange{Seq: 1}}), "add exchange", "it is there already")
	require.NoError(t, tables.Close())
	db := database(t, to)
	var n, whole int
	require.NoError(t, scan(db, &n, "SELECT count(*) FROM exchanges"))
	require.NoError(t, scan(db, &whole, `SELECT count(*) FROM exchanges WHERE path = '/\x00'`))
	assert.Equal(t, [2]int{2500, 2500}, [2]int{n, whole})
}
