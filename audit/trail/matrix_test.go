package trail_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sallyport/audit"
	"sallyport/audit/trail"
)

// harmless are the changes that nobody can tell from the work of a writer, and
// why that does no harm. Each must stay unfound, so that the list stays true.
var harmless = map[string]string{
	"checkpoints/row deleted": "a checkpoint may be missing because it could not be signed; the others cover its events, and one that was published is missed against the copy kept elsewhere",
}

// TestTamperMatrix changes every column of every table in every way, as the
// schema has them, so that a new column cannot be forgotten. The tables' guards
// are put back, and each change must be found and named all the same.
func TestTamperMatrix(t *testing.T) {
	t.Parallel()
	source, public, checkpoint := everything(t)
	db, err := trail.OpenDatabase(source)
	require.NoError(t, err)
	tables := names(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
	require.NoError(t, db.Close())
	for _, table := range tables {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "audit.db")
			copyTrail(t, source, path)
			before := load(t, path, table)
			require.NotEmpty(t, before.rows, "there must be a row to change")
			for name, rows := range before.changes(t) {
				if !replace(t, path, table, rows) || reflect.DeepEqual(load(t, path, table).rows, before.rows) {
					continue // the database itself refuses or mends such rows
				}
				report, err := reader(t, path).VerifyWith(t.Context(), audit.VerifyOptions{PublicKey: public, Checkpoint: []byte(checkpoint)})
				if harmless[table+"/"+name] != "" {
					assert.True(t, report.OK, "%s: %s is found after all", table, name)
					continue
				}
				found := strings.Join(report.Problems, "\n")
				if err != nil {
					found = err.Error()
				}
				assert.Regexp(t, before.names(table), found, "%s: %s", table, name)
			}
		})
	}
}

// everything makes a closed trail with rows in every table, a few pruned among
// them, and returns the newest checkpoint, as it would be kept elsewhere.
func everything(t *testing.T) (path, public, checkpoint string) {
	t.Helper()
	writer, path, _ := aged(t, 300)
	text := "policy: operator\n"
	sum := sha256.Sum256([]byte(text))
	require.NoError(t, writer.StoreDocument(t.Context(), hex.EncodeToString(sum[:]), []byte(text)))
	for i := range 5 {
		in := intent()
		in.StartedAt, in.Host, in.Agent = minute(300+i), "other.example.com", [16]byte{}
		in.Decision, in.Refusal = audit.DecisionDeny, "policy"
		require.NoError(t, writer.Refused(t.Context(), in, &audit.Outcome{EndedAt: minute(300 + i), Outcome: audit.OutcomeRefused, Status: 403}))
	}
	_, err := writer.Prune(t.Context(), audit.PruneRequest{Before: minute(20)})
	require.NoError(t, err)
	require.Eventually(t, func() bool { // one checkpoint before the last
		r := reader(t, path)
		_, err := r.Checkpoint(t.Context())
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	last := begun(t, writer)
	writer.End(last.ID, outcome())
	public = writer.PublicKey()
	require.NoError(t, writer.Close(context.Background()))
	c, err := reader(t, path).Checkpoint(t.Context())
	require.NoError(t, err)
	return path, public, c.Note
}

// contents are all rows of a table.
type contents struct {
	columns []string
	key     []int // indexes of the columns of the primary key
	rows    [][]any
}

func load(t *testing.T, path, table string) contents {
	t.Helper()
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var c contents
	c.columns = names(t, db, "SELECT name FROM pragma_table_info('"+table+"') ORDER BY cid")
	key := names(t, db, "SELECT name FROM pragma_table_info('"+table+"') WHERE pk > 0")
	for i, column := range c.columns {
		if slices.Contains(key, column) {
			c.key = append(c.key, i)
		}
	}
	rows, err := db.Query("SELECT * FROM " + table + " ORDER BY " + strings.Join(key, ", ")) //nolint:gosec // names of the schema
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		row, targets := make([]any, len(c.columns)), make([]any, len(c.columns))
		for i := range row {
			targets[i] = &row[i]
		}
		require.NoError(t, rows.Scan(targets...))
		c.rows = append(c.rows, row)
	}
	require.NoError(t, rows.Err())
	return c
}

type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

func names(t *testing.T, db querier, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var list []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		list = append(list, name)
	}
	require.NoError(t, rows.Err())
	return list
}

// names is what a finding must speak of.
func (c contents) names(table string) string {
	switch table {
	case "events", "removed":
		return "event"
	case "documents", "checkpoints":
		return strings.TrimSuffix(table, "s")
	}
	return "projection"
}

// changes are all ways to change the table, by name.
func (c contents) changes(t *testing.T) map[string][][]any {
	all := map[string][][]any{}
	at := len(c.rows) * 2 / 3
	for i, column := range c.columns {
		for kind, value := range otherValues(c.rows[at][i]) {
			rows := c.copied()
			rows[at][i] = value
			all[column+" "+kind] = rows
		}
		for other := range c.rows {
			if fmt.Sprint(c.rows[other][i]) != fmt.Sprint(c.rows[at][i]) {
				rows := c.copied()
				rows[at][i], rows[other][i] = rows[other][i], rows[at][i]
				all[column+" swapped"] = rows
				break
			}
		}
	}
	for _, i := range c.key { // a copy of a row under another key
		rows := append(c.copied(), slices.Clone(c.rows[at]))
		rows[len(rows)-1][i] = beyond(t, c.rows[len(c.rows)-1][i])
		all["row inserted, another "+c.columns[i]] = rows
	}
	all["row deleted"] = slices.Delete(c.copied(), at, at+1)
	if at == len(c.rows)-1 || len(c.rows) == 1 {
		delete(all, "row deleted")
	}
	all["last row deleted"] = c.copied()[:len(c.rows)-1]
	all["truncated"] = nil
	return all
}

func (c contents) copied() [][]any {
	rows := make([][]any, len(c.rows))
	for i := range rows {
		rows[i] = slices.Clone(c.rows[i])
	}
	return rows
}

// otherValues are v with one byte changed, gone, and of another type.
func otherValues(v any) map[string]any {
	switch v := v.(type) {
	case int64:
		return map[string]any{"changed": v ^ 1, "more": v + 1<<20, "gone": nil, "of another type": "noon"}
	case []byte:
		changed := slices.Clone(v)
		if len(changed) == 0 {
			return map[string]any{"changed": []byte{1}, "gone": nil}
		}
		changed[len(changed)-1] ^= 1
		return map[string]any{"changed": changed, "cut": v[:len(v)-1], "gone": nil, "of another type": int64(7)}
	case string:
		if v == "" {
			return map[string]any{"changed": "x", "gone": nil}
		}
		return map[string]any{"changed": v[:len(v)-1] + string(v[len(v)-1]^1), "cut": v[:len(v)-1], "gone": nil, "of another type": int64(7)}
	}
	return map[string]any{"changed": int64(1), "of another type": "noon"}
}

// beyond is a value that no row has.
func beyond(t *testing.T, v any) any {
	switch v := v.(type) {
	case int64:
		return v + 1000
	case []byte:
		return append([]byte{0xff}, v[1:]...)
	case string:
		return v + "x"
	}
	t.Fatalf("a key of type %T", v)
	return nil
}

// replace puts rows in the place of all rows of a table, whose guards it puts
// back; false when the table cannot hold them.
func replace(t *testing.T, path, table string, rows [][]any) bool {
	t.Helper()
	db, err := trail.OpenDatabase(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	guards := names(t, db, "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '"+table+"'")
	tx, err := db.Begin()
	require.NoError(t, err)
	for _, name := range names(t, tx, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = '"+table+"'") {
		_, err = tx.Exec("DROP TRIGGER " + name)
		require.NoError(t, err)
	}
	_, err = tx.Exec("DELETE FROM " + table) //nolint:gosec // a name of the schema
	require.NoError(t, err)
	for _, row := range rows {
		marks := slices.Repeat([]string{"?"}, len(row))
		for i, v := range row {
			if b, ok := v.([]byte); ok && len(b) == 0 {
				marks[i] = "coalesce(?, x'')" // the driver takes an empty one for none
			}
		}
		if _, err = tx.Exec("INSERT INTO "+table+" VALUES ("+strings.Join(marks, ", ")+")", row...); err != nil { //nolint:gosec // a name of the schema
			require.NoError(t, tx.Rollback())
			require.Regexp(t, "constraint|mismatch", err.Error())
			return false
		}
	}
	for _, guard := range guards {
		_, err = tx.Exec(guard)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	return true
}
