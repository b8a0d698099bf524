package trail_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// requests reads the view as any SQLite client does, and by the seq of each.
func requests(t *testing.T, path string) map[uint64]map[string]any {
	t.Helper()
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.Query("SELECT * FROM requests")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	all := make(map[uint64]map[string]any)
	for rows.Next() {
		values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		require.NoError(t, rows.Scan(targets...))
		one := map[string]any{}
		for i, name := range names {
			if one[name] = nil; values[i].Valid {
				one[name] = values[i].String
			}
		}
		seq, err := strconv.ParseUint(one["seq"].(string), 10, 64)
		require.NoError(t, err)
		all[seq] = one
	}
	require.NoError(t, rows.Err())
	return all
}

func scan(db *sql.DB, into any, query string, args ...any) error {
	return db.QueryRow(query, args...).Scan(into)
}

// sameAsList asserts that the view tells what the list tells, in the same words.
func sameAsList(t *testing.T, path string) {
	t.Helper()
	list, err := reader(t, path).List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	view := requests(t, path)
	require.Len(t, view, len(list))
	for i := range list {
		x := &list[i]
		one := view[x.Seq]
		seen := 0
		x.EachField(func(name string, value []byte) {
			have, ok := one[name]
			if !ok {
				return
			}
			seen++
			want := string(value)
			if have == nil {
				assert.Equal(t, "null", want, "%s of event %d", name, x.Seq)
				return
			}
			if name == "seq" || name == "port" || name == "status" {
				assert.Equal(t, want, have, "%s of event %d", name, x.Seq)
				return
			}
			assert.JSONEq(t, want, member(t, map[string]any{"v": have}, "v"), "%s of event %d", name, x.Seq)
		})
		assert.Len(t, one, seen, "every column is a key of the list")
	}
}

// TestAnyClientReadsRequests: who, what, when and whether, without this program, a second
// after it happened.
func TestAnyClientReadsRequests(t *testing.T) {
	t.Parallel()
	writer, path := open(t)
	first := begun(t, writer)
	writer.End(first.ID, outcome())
	second := intent()
	second.Path, second.Resource, second.Agent = "/odd/\xff\\x"+"\u202e\x00é", "acme/web", [16]byte{}
	require.NoError(t, writer.Begin(t.Context(), second))
	writer.End(second.ID, &audit.Outcome{Outcome: audit.OutcomeRevoked, Refusal: "revoked", BytesSent: -1, BytesReceived: -1})
	denied := intent()
	denied.Decision, denied.Refusal, denied.Rule = audit.DecisionDeny, "policy", ""
	require.NoError(t, writer.Refused(t.Context(), denied, &audit.Outcome{Outcome: audit.OutcomeRefused, Refusal: "policy", Status: 403}))
	_ = begun(t, writer) // is open
	start := time.Now()
	require.Eventually(t, func() bool { return len(requests(t, path)) == 4 }, time.Second, time.Millisecond)
	t.Logf("%v after the commit", time.Since(start))
	require.Eventually(t, func() bool { return writer.Stats().Lag == 0 }, 10*time.Second, time.Millisecond)
	sameAsList(t, path)
	require.NoError(t, writer.Close(context.Background()))
	sameAsList(t, path)
	verified(t, reader(t, path))
}

// TestOldRequestsGetTheirTexts: a trail that an older program wrote has them soon, while it
// is in use, and loses them with what retention removes.
func TestOldRequestsGetTheirTexts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.db")
	require.NoError(t, os.WriteFile(path, unzip(t, "../testdata/trails/v7.db.gz"), 0o600))
	writer, err := trail.Open(t.Context(), trail.Config{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close(context.Background()) })
	require.Eventually(t, func() bool {
		db, err := trail.OpenDatabase(path)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		var bare, empty int
		require.NoError(t, scan(db, &bare, "SELECT bare FROM projection"))
		require.NoError(t, scan(db, &empty, "SELECT count(*) FROM exchanges WHERE path IS NULL"))
		return bare == 0 && empty == 0
	}, 10*time.Second, 5*time.Millisecond)
	verified(t, reader(t, path))
	sameAsList(t, path)
	_, err = writer.Prune(t.Context(), audit.PruneRequest{Before: minute(60)})
	require.NoError(t, err)
	require.NoError(t, writer.Close(context.Background()))
	sameAsList(t, path)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "/number/41")
	assert.Contains(t, string(data), "/number/101")
}
