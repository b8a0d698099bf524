package trail

import (
	"context"
	"database/sql"
	"fmt"
)

// verifySchema names what guards the tables and is not there, or not as it was
// made.
func (v *verifier) verifySchema(ctx context.Context) error {
	var version int
	if err := v.snapshot.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	want, err := schemaAt(ctx, version)
	if err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	have, err := readSchema(ctx, v.snapshot.conn)
	if err != nil {
		return fmt.Errorf("verify schema: %w", err)
	}
	for name, sql := range want {
		if have[name] != sql {
			if err := v.problem("schema: %s is not as it was made", name); err != nil {
				return err
			}
		}
		delete(have, name)
	}
	for name := range have {
		if err := v.problem("schema: %s was added", name); err != nil {
			return err
		}
	}
	return nil
}

// scan calls fn for each row; what cannot be read is a finding.
func scan(ctx context.Context, conn *sql.Conn, table, query string, fn func(*sql.Rows) error) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return rows.Err()
}
