package trail

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/audit"
	"sallyport/internal/sqlite"
)

// tablesAtOnce records are written in one transaction.
const tablesAtOnce = 1000

// Tables is a plain database of records, for any SQLite client: exchanges with the keys of
// their JSON as columns, and events. It proves nothing: what does is the trail itself. It is
// for one goroutine.
type Tables struct {
	db                *sql.DB
	conn              *sql.Conn
	exchanges, events *sqlite.Statement
	waiting           int // records since the transaction began
	args              []any
}

// NewTables makes the database at path, which must not be there yet.
func NewTables(ctx context.Context, path string) (*Tables, error) {
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Normal, Connections: 1})
	if err != nil {
		return nil, err
	}
	t := &Tables{db: db}
	if err := t.create(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make tables: %w", err), db.Close())
	}
	return t, nil
}

func (t *Tables) create(ctx context.Context) (err error) {
	if t.conn, err = t.db.Conn(ctx); err != nil {
		return err
	}
	var columns []string
	(&audit.Exchange{}).EachField(func(name string, _ []byte) { columns = append(columns, name) })
	for _, statement := range []string{
		// One file at its end, and nothing beside it.
		"PRAGMA journal_mode = DELETE",
		"CREATE TABLE exchanges (" + strings.Join(columns, ", ") + ", PRIMARY KEY (seq))",
		"CREATE TABLE events (seq PRIMARY KEY, id, exchange, type, at, payload)",
		"BEGIN",
	} {
		if _, err := t.conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	holes := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	if t.exchanges, err = sqlite.Prepare(t.conn, "INSERT INTO exchanges VALUES ("+holes+")", len(columns)); err != nil {
		return err
	}
	t.events, err = sqlite.Prepare(t.conn, "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", 6)
	return err
}

// Add adds one record.
func (t *Tables) Add(r audit.Record) error {
	t.args = t.args[:0]
	add := func(_ string, value []byte) { t.args = append(t.args, columnValue(value)) }
	stmt := t.exchanges
	if r.Exchange != nil {
		r.Exchange.EachField(add)
	} else {
		stmt = t.events
		r.Event.EachField(add)
	}
	if _, err := stmt.Exec(t.args...); err != nil {
		return fmt.Errorf("add %s %s: %w", r.Type(), r.ID(), err)
	}
	if t.waiting++; t.waiting < tablesAtOnce {
		return nil
	}
	t.waiting = 0
	_, err := t.conn.ExecContext(context.Background(), "COMMIT; BEGIN")
	return err
}

// Close ends the database, which is whole then.
func (t *Tables) Close() error {
	_, err := t.conn.ExecContext(context.Background(), "COMMIT")
	return errors.Join(err, t.exchanges.Close(), t.events.Close(), t.conn.Close(), t.db.Close())
}

// columnValue is a JSON value as SQLite has it: a text, a number or NULL, and what has
// parts as JSON.
func columnValue(value []byte) any {
	switch {
	case string(value) == "null":
		return nil
	case value[0] == '"':
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			return string(value)
		}
		return withoutZero(s)
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
		return n
	}
	return string(value)
}

// withoutZero is a text that Printable has made, without zero bytes: as sqlText has it.
func withoutZero(s string) string {
	switch {
	case strings.IndexByte(s, 0) < 0:
		return s
	case strings.Contains(s, `\x`): // its backslashes are doubled already
		return strings.ReplaceAll(s, "\x00", `\x00`)
	}
	return audit.EscapeBytes(s)
}
