package trail

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// fileCheck looks at the file below the tables.
type fileCheck struct {
	*findings
	conn *sql.Conn
}

// verifyFile looks for what no row tells: an index that does not lead to its rows, so
// that a query misses them, and a value of another type than its column's, which no
// comparison finds.
func verifyFile(ctx context.Context, s *snapshot, into *findings) error {
	v := &fileCheck{into, s.conn}
	err := scan(ctx, v.conn, "file", fmt.Sprintf("PRAGMA integrity_check(%d)", maxProblems), func(rows *sql.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil || text == "ok" {
			return err
		}
		return v.problem("file: %s", text)
	})
	if err != nil {
		return err
	}
	var tables []string
	err = scan(ctx, v.conn, "schema", "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name", func(rows *sql.Rows) error {
		tables = append(tables, "")
		return rows.Scan(&tables[len(tables)-1])
	})
	for _, table := range tables {
		if err == nil {
			err = v.verifyTypes(ctx, table)
		}
	}
	return err
}

// verifyTypes holds the values of a table to the types of its columns.
func (v *fileCheck) verifyTypes(ctx context.Context, table string) error {
	var columns []string
	err := scan(ctx, v.conn, "schema", "SELECT name, lower(type) FROM pragma_table_info("+literal(table)+")", func(rows *sql.Rows) error {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return err
		}
		columns = append(columns, fmt.Sprintf("typeof(%s) NOT IN ('null', %s)", identifier(name), literal(typ)))
		return nil
	})
	if err != nil || len(columns) == 0 {
		return err
	}
	query := "SELECT count(*) FROM " + identifier(table) + " NOT INDEXED WHERE " + strings.Join(columns, " OR ")
	return scan(ctx, v.conn, "file", query, func(rows *sql.Rows) error {
		var n int64
		if err := rows.Scan(&n); err != nil || n == 0 {
			return err
		}
		return v.problem("file: %d rows of table %s hold a value of another type than its column's", n, table)
	})
}

// literal and identifier quote names of the schema, which an intruder may have chosen.
func literal(s string) string    { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
