package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// Statement is prepared once and run by one goroutine, without what
// database/sql spends on every call to share a connection it need not share
// here. It is valid for as long as its connection is held.
type Statement struct {
	stmt driver.StmtExecContext
	args []driver.NamedValue
}

// Prepare prepares query, which takes n arguments, on conn.
func Prepare(conn *sql.Conn, query string, n int) (*Statement, error) {
	s := &Statement{args: make([]driver.NamedValue, n)}
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	err := conn.Raw(func(c any) error {
		preparer, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return errors.New("driver does not prepare")
		}
		stmt, err := preparer.PrepareContext(context.Background(), query)
		if err != nil {
			return err
		}
		if s.stmt, ok = stmt.(driver.StmtExecContext); !ok {
			return errors.New("driver does not execute")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	return s, nil
}

// Set sets argument i, from 0, which stays set for later runs: int64, float64,
// string, []byte or nil.
func (s *Statement) Set(i int, value any) { s.args[i].Value = value }

// Exec runs the statement with the arguments set, then those given.
func (s *Statement) Exec(values ...any) (sql.Result, error) {
	for i, v := range values {
		s.args[i].Value = v
	}
	return s.stmt.ExecContext(context.Background(), s.args)
}

// Close frees the statement, before its connection is closed.
func (s *Statement) Close() error {
	if c, ok := s.stmt.(interface{ Close() error }); ok {
		return c.Close()
	}
	return nil
}
