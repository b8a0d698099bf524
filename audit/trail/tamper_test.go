package trail_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// filled makes a closed trail of n exchanges, one refused and one other event
// in every ten.
func filled(t testing.TB, n int) string {
	t.Helper()
	writer, path := open(t)
	for i := range n {
		in := intent()
		in.StartedAt = time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
		if i%10 == 3 {
			in.Decision, in.Refusal, in.Rule, in.Credential = audit.DecisionDeny, "policy", "", ""
			require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{Outcome: audit.OutcomeRefused, Status: 403}))
			require.NoError(t, writer.Record(t.Context(), audit.Event{Type: "note", Exchange: in.ID, Payload: map[string]any{"n": i}}))
			continue
		}
		require.NoError(t, writer.Begin(t.Context(), in))
		writer.End(in.ID, outcome())
	}
	require.NoError(t, writer.Close(context.Background()))
	return path
}

func TestTamperingIsNamed(t *testing.T) {
	t.Parallel()
	source := filled(t, 130)
	const unguard = "DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; "
	for name, c := range map[string]struct{ sql, want string }{
		"seq":              {"UPDATE events SET seq = 1000 WHERE seq = 17", "event 17 is missing"},
		"id":               {"UPDATE events SET id = randomblob(16) WHERE seq = 17", "event 17 was altered"},
		"exchange":         {"UPDATE events SET exchange = randomblob(16) WHERE seq = 17", "event 17 was altered"},
		"no exchange":      {"UPDATE events SET exchange = NULL WHERE seq = 17", "event 17 was altered"},
		"type":             {"UPDATE events SET type = 'note' WHERE seq = 17", "event 17 was altered"},
		"at":               {"UPDATE events SET at = at + 1 WHERE seq = 17", "event 17 was altered"},
		"version":          {"UPDATE events SET encoding_version = 2 WHERE seq = 17", "event 17 was altered"},
		"payload":          {"UPDATE events SET payload = CAST(replace(payload, 'dana', 'duna') AS BLOB) WHERE seq = 1", "event 1 was altered"},
		"payload text":     {"UPDATE events SET payload = 'x' WHERE seq = 17", "event 17 was altered"},
		"payload gone":     {"UPDATE events SET payload = NULL WHERE seq = 17", "event 17 was altered"},
		"exchange as text": {"UPDATE events SET exchange = CAST(exchange AS TEXT) WHERE seq = 17", "file: 1 rows of table events hold a value of another type"},
		"type as bytes":    {"UPDATE events SET type = CAST(type AS BLOB) WHERE seq = 17", "file: 1 rows of table events"},
		"row's id as text": {"UPDATE exchanges SET id = CAST(id AS TEXT) WHERE seq = 1", "file: 1 rows of table exchanges"},
		"hashes":           {"UPDATE events SET hashes = zeroblob(length(hashes)) WHERE seq = 17", "event 17 was altered"},
		"short hashes":     {"UPDATE events SET hashes = x'00' WHERE seq = 17", "event 17 was altered"},
		"wrong type":       {"UPDATE events SET at = 'noon' WHERE seq = 17", "event after 16"},
		"short id":         {"UPDATE events SET id = x'00' WHERE seq = 17", "event 17: id"},
		"delete":           {"DELETE FROM events WHERE seq = 17", "event 17 is missing"},
		"delete the first": {"DELETE FROM events WHERE seq = 1", "event 1 is missing"},
		"cut the end":      {"DELETE FROM events WHERE seq > 50", "projection"},
		"swap":             {"UPDATE events SET seq = -1 WHERE seq = 17; UPDATE events SET seq = 17 WHERE seq = 18; UPDATE events SET seq = 18 WHERE seq = -1", "event 17 was altered"},
		"insert before":    {"INSERT INTO events SELECT 0, id, exchange, type, at, encoding_version, payload, hashes FROM events WHERE seq = 1", "event 0 comes before"},
		"append":           {"INSERT INTO events SELECT (SELECT max(seq) FROM events) + 1, id, exchange, type, at, encoding_version, payload, hashes FROM events WHERE seq = 1", "was altered"},
		"replace":          {"INSERT OR REPLACE INTO events SELECT 17, id, exchange, type, at, encoding_version, payload, hashes FROM events WHERE seq = 19", "event 17 was altered"},
		"row":              {"DELETE FROM exchanges WHERE seq = 1", "event 1 is missing"},
		"row's outcome":    {"UPDATE exchanges SET status = 404 WHERE seq = 1", "is told otherwise"},
		"row's kind":       {"UPDATE exchanges SET kind = 2 WHERE seq = 1", "event 1 is told otherwise"},
		"row's time":       {"UPDATE exchanges SET started_at = 1 WHERE seq = 1", "event 1 is told otherwise"},
		"row's id":         {"UPDATE exchanges SET id = zeroblob(16) WHERE seq = 1", "event 1 is told otherwise"},
		"row added":        {"INSERT INTO exchanges SELECT (SELECT min(seq) FROM events WHERE type = 'outcome'), id, started_at, kind, outcome_seq, outcome, status, path, resource, refusal FROM exchanges WHERE seq = 1", "has no intent"},
		"path":             {"UPDATE exchanges SET path = '/other' WHERE seq = 1", "path or resource of event 1 is told otherwise"},
		"no path yet":      {"UPDATE projection SET bare = 1; UPDATE exchanges SET path = NULL, resource = NULL", "path or resource of event"},
		"no such bare":     {"UPDATE projection SET bare = -1", "event -1 has no texts yet"},
		"kind":             {"UPDATE kinds SET owner = 'person:eve'", "told otherwise"},
		"kind's key":       {"UPDATE kinds SET key = zeroblob(id)", "told otherwise"},
		"segment":          {"DELETE FROM segments WHERE id = 1", "segment 2 lists other exchanges"},
		"segment's terms":  {"DELETE FROM terms WHERE segment = 1", "segment 1 lists other exchanges"},
		"term":             {"DELETE FROM terms WHERE segment = 1 AND term = (SELECT max(term) FROM terms)", "is not found by its segment"},
		"segment's time":   {"UPDATE segments SET max_started = min_started", "segment 1 says otherwise"},
		"cursor":           {"UPDATE projection SET cursor = cursor + 100", "projection: it goes up to"},
		"cursor back":      {"UPDATE projection SET cursor = 5", "projection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.db")
			copyTrail(t, source, path)
			db, err := trail.OpenDatabase(path)
			require.NoError(t, err)
			_, err = db.Exec(unguard + c.sql)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			report, err := reader(t, path).Verify(t.Context())
			require.NoError(t, err)
			assert.False(t, report.OK)
			require.NotEmpty(t, report.Problems)
			assert.Contains(t, report.Problems[0], c.want)
		})
	}
}

// An index that does not lead to all its rows hides them from the queries that go by it.
func TestADamagedIndexIsNamed(t *testing.T) {
	t.Parallel()
	path := filled(t, 40)
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	var page, size int64
	require.NoError(t, db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'events_type'").Scan(&page))
	require.NoError(t, db.QueryRow("PRAGMA page_size").Scan(&size))
	require.NoError(t, db.Close())
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	at := (page - 1) * size
	index := file[at : at+size]
	require.Contains(t, string(index), "note")
	copy(file[at:], bytes.Replace(index, []byte("note"), []byte("nota"), 1))
	require.NoError(t, os.WriteFile(path, file, 0o600))

	report, err := reader(t, path).Verify(t.Context())
	require.NoError(t, err)
	assert.False(t, report.OK)
	assert.Contains(t, strings.Join(report.Problems, "\n"), "file: row ")
	assert.Contains(t, strings.Join(report.Problems, "\n"), "missing from index events_type")
}

func TestEventsAreGuarded(t *testing.T) {
	t.Parallel()
	path := filled(t, 3)
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, statement := range []string{"UPDATE events SET at = 0", "DELETE FROM events", "UPDATE documents SET text = x''", "DELETE FROM documents"} {
		_, err := db.Exec(statement)
		if err == nil {
			assert.Contains(t, statement, "documents", "nothing in it to guard")
			continue
		}
		assert.ErrorContains(t, err, "append-only")
	}
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	path := filled(t, 700)
	before, err := reader(t, path).List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	require.Len(t, before, 700)
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	_, err = db.Exec("DELETE FROM exchanges; UPDATE kinds SET host = 'x'; DELETE FROM segments; DELETE FROM terms")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, trail.Rebuild(t.Context(), path))
	r := reader(t, path)
	verified(t, r)
	after, err := r.List(t.Context(), audit.Filter{})
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

// database opens the file of a trail as any SQLite client does.
func database(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
